// A node as a test plays it: says on Collector.Logs what it is told to say,
// right or wrong.
#ifndef MUSTER_TESTS_LAUNCHER_COLLECTOR_LOGS_CLIENT_H_
#define MUSTER_TESTS_LAUNCHER_COLLECTOR_LOGS_CLIENT_H_

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "launcher/collector/node_key.h"
#include "proto/collector.grpc.pb.h"

namespace muster::collector {

inline std::string TestKey() { return std::string(kKeyBytes, 'k'); }

// A node of a world in which each node has one worker.
struct NodeOfTest {
  std::string run_id = "run";
  uint32_t node = 0;
  uint32_t world = 1;
  std::string run_key = TestKey();
  std::string incarnation = "first";
  uint32_t attempt = 0;
};

inline Introduction IntroductionOf(const NodeOfTest& node) {
  Introduction introduction;
  introduction.set_run_id(node.run_id);
  introduction.set_node_rank(node.node);
  introduction.set_first_rank(node.node);
  introduction.set_workers(1);
  introduction.set_world_size(node.world);
  introduction.set_attempt(node.attempt);
  introduction.set_incarnation(node.incarnation);
  introduction.set_key(NodeKey(
      node.run_key, {node.node, node.attempt, node.node, 1, node.world}));
  return introduction;
}

inline StreamName Stdout(uint32_t rank) {
  StreamName name;
  name.set_kind(STREAM_STDOUT);
  name.set_rank(rank);
  return name;
}

inline LogUp Introduce(const NodeOfTest& node) {
  LogUp message;
  *message.mutable_introduction() = IntroductionOf(node);
  return message;
}

inline LogUp Data(const StreamName& stream, uint64_t offset,
                  absl::string_view bytes) {
  LogUp message;
  LogData& data = *message.mutable_data();
  *data.mutable_stream() = stream;
  data.set_offset(offset);
  data.set_data(bytes.data(), bytes.size());
  return message;
}

inline LogUp Gap(const StreamName& stream, uint64_t offset, uint64_t length) {
  LogUp message;
  LogGap& gap = *message.mutable_gap();
  *gap.mutable_stream() = stream;
  gap.set_offset(offset);
  gap.set_length(length);
  gap.set_reason(GAP_SPOOL_FULL);
  return message;
}

inline LogUp EndOf(const StreamName& stream, uint64_t offset,
                   StreamEnd how = STREAM_END_CLOSED) {
  LogUp message;
  LogEnd& end = *message.mutable_end();
  *end.mutable_stream() = stream;
  end.set_offset(offset);
  end.set_how(how);
  return message;
}

inline LogUp FinishAll() {
  LogUp message;
  message.mutable_finish();
  return message;
}

// Every call ends within half a minute, so that nothing hangs.
inline std::chrono::system_clock::time_point CallDeadline() {
  return std::chrono::system_clock::now() + std::chrono::seconds(30);
}

// Job: one stream of Collector.Logs, blocking.
// Life cycle: construct, Send and Read, End or destroy (which cancels).
// Threads: one.
class LogsClient {
 public:
  explicit LogsClient(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(Collector::NewStub(channel)) {
    context_.set_deadline(CallDeadline());
    stream_ = stub_->Logs(&context_);
  }
  LogsClient(const std::shared_ptr<grpc::Channel>& channel,
             const NodeOfTest& node)
      : LogsClient(channel) {
    Send(Introduce(node));
  }
  ~LogsClient() {
    context_.TryCancel();
    End();
  }

  bool Send(const LogUp& message) { return stream_->Write(message); }
  bool Read(LogDown* message) { return stream_->Read(message); }

  // False when the stream ended instead; End() says why.
  bool AwaitWelcome() {
    LogDown message;
    if (!Read(&message) || !message.has_welcome()) return false;
    welcome_ = message.welcome();
    return true;
  }
  // Until so many messages are durable, and told so.
  bool AwaitDurable(uint64_t messages) {
    LogDown message;
    while (durable_ < messages) {
      if (!Read(&message) || !message.has_progress()) return false;
      durable_ = message.progress().messages();
    }
    return true;
  }
  bool AwaitDone() {
    LogDown message;
    while (Read(&message)) {
      if (message.has_progress()) durable_ = message.progress().messages();
      if (!message.has_done()) continue;
      done_ = message.done();
      return true;
    }
    return false;
  }

  const LogWelcome& welcome() const { return welcome_; }
  uint64_t durable() const { return durable_; }
  const LogDone& done() const { return done_; }
  // Where the welcome says that the stream goes on.
  uint64_t PositionOf(const StreamName& stream) const {
    for (const StreamPosition& position : welcome_.streams()) {
      if (position.stream().kind() == stream.kind() &&
          position.stream().rank() == stream.rank()) {
        return position.offset();
      }
    }
    return 0;
  }

  void Cancel() { context_.TryCancel(); }
  // What the stream ended with; drains it.
  grpc::Status End() {
    if (ended_) return status_;
    ended_ = true;
    LogDown rest;
    while (stream_->Read(&rest)) {
    }
    return status_ = stream_->Finish();
  }

 private:
  const std::unique_ptr<Collector::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<LogUp, LogDown>> stream_;
  LogWelcome welcome_;
  LogDone done_;
  uint64_t durable_ = 0;
  bool ended_ = false;
  grpc::Status status_;
};

// One call of Collector.Record.
inline grpc::Status Record(const std::shared_ptr<grpc::Channel>& channel,
                           const std::string& run_id,
                           RecordDocument document = RECORD_UNSPECIFIED,
                           const std::string& content = "", uint64_t offset = 0,
                           const std::string& run_key = TestKey()) {
  RecordUpdate update;
  update.set_run_id(run_id);
  update.set_run_key(run_key);
  update.set_document(document);
  update.set_content(content);
  update.set_offset(offset);
  grpc::ClientContext context;
  context.set_deadline(CallDeadline());
  RecordReply reply;
  return Collector::NewStub(channel)->Record(&context, update, &reply);
}

// A connection of its own for each channel.
inline std::shared_ptr<grpc::Channel> OpenChannel(int port) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("ipv4:127.0.0.1:" + std::to_string(port),
                                   grpc::InsecureChannelCredentials(),
                                   arguments);
}

}  // namespace muster::collector

#endif  // MUSTER_TESTS_LAUNCHER_COLLECTOR_LOGS_CLIENT_H_
