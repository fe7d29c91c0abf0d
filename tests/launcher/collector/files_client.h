// A node's files as a test plays them on Collector.Files.
#ifndef MUSTER_TESTS_LAUNCHER_COLLECTOR_FILES_CLIENT_H_
#define MUSTER_TESTS_LAUNCHER_COLLECTOR_FILES_CLIENT_H_

#include <memory>
#include <string>

#include "launcher/framing/digest.h"
#include "tests/launcher/collector/logs_client.h"

namespace muster::collector {

// Job: one stream of Collector.Files, blocking.
// Life cycle: construct, Store, End or destroy (which cancels).
// Threads: one.
class FilesClient {
 public:
  explicit FilesClient(const std::shared_ptr<grpc::Channel>& channel,
                       const NodeOfTest& node = {})
      : stub_(Collector::NewStub(channel)) {
    context_.set_deadline(CallDeadline());
    stream_ = stub_->Files(&context_);
    *up_.mutable_introduction() = IntroductionOf(node);
    stream_->Write(up_);
  }
  ~FilesClient() {
    context_.TryCancel();
    End();
  }

  // False when the stream ended instead; End() says why.
  bool AwaitWelcome() { return stream_->Read(&down_) && down_.has_welcome(); }

  // A small file; whether it was stored.
  bool Store(const std::string& path, const std::string& bytes) {
    up_.Clear();
    SmallFile& file = *up_.mutable_pack()->add_files();
    file.set_transfer(++transfers_);
    file.set_path(path);
    file.set_data(bytes);
    file.set_checksum(framing::Checksum(bytes));
    stream_->Write(up_);
    while (stream_->Read(&down_)) {
      if (down_.has_outcomes()) return down_.outcomes().stored_size() == 1;
    }
    return false;
  }

  // Nothing follows; what the stream ended with.
  grpc::Status Finish() {
    up_.mutable_finish();
    stream_->Write(up_);
    return End();
  }
  // What the stream ended with; drains it.
  grpc::Status End() {
    if (ended_) return status_;
    ended_ = true;
    while (stream_->Read(&down_)) {
    }
    return status_ = stream_->Finish();
  }

 private:
  const std::unique_ptr<Collector::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<FileUp, FileDown>> stream_;
  FileUp up_;
  FileDown down_;
  uint64_t transfers_ = 0;
  bool ended_ = false;
  grpc::Status status_;
};

}  // namespace muster::collector

#endif  // MUSTER_TESTS_LAUNCHER_COLLECTOR_FILES_CLIENT_H_
