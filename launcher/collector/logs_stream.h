// One stream of Collector.Logs.
#ifndef MUSTER_LAUNCHER_COLLECTOR_LOGS_STREAM_H_
#define MUSTER_LAUNCHER_COLLECTOR_LOGS_STREAM_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "launcher/collector/committer.h"
#include "launcher/collector/log_intake.h"
#include "proto/collector.grpc.pb.h"

namespace muster::collector {

// The service, as a stream sees it. Everything on the collector's thread, but
// for Post.
class LogsHost {
 public:
  // Runs a function on the collector's thread; any thread.
  virtual void Post(absl::AnyInvocable<void()> function) = 0;
  // How many bytes a node may send ahead.
  virtual uint64_t WindowBytes() const = 0;
  virtual void CountBytes(uint64_t bytes) = 0;
  // The stream takes nothing more, and why; Ok when it is finished. Comes once.
  virtual void Ended(class LogsStream* stream, const absl::Status& why) = 0;
  // gRPC has let go of the stream: destroy it.
  virtual void Done(class LogsStream* stream) = 0;

 protected:
  ~LogsHost() = default;
};

// Job: pass what a node sends to its intake, one message at a time, and say
// what is durable of it.
//
//   introduction --committed--> welcome, messages... --LogFinish, committed-->
//   done; an error at any place ends the stream with its status
//
// Life cycle: given to gRPC; Start on the collector's thread; destroyed by
// LogsHost::Done.
// Threads: the collector's. gRPC's reactions only post.
// Ownership: the host and the committer must outlive it.
class LogsStream final : public grpc::ServerBidiReactor<LogUp, LogDown>,
                         public Committer::Waiter {
 public:
  LogsStream(LogsHost* host, grpc::CallbackServerContext* context)
      : host_(host), context_(context) {}

  // `admit` also says who commits the run, by SetCommitter.
  void Start(LogIntake::Admit admit);
  void SetCommitter(Committer* committer) { committer_ = committer; }

  // Ends the stream from outside.
  void End(const absl::Status& why);
  // Does not wait for the peer any longer.
  void Cancel() { context_->TryCancel(); }

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override;

  void OnCommitted(uint64_t mark, const absl::Status& status) override;

 private:
  void Take();
  void Pump();

  LogsHost* const host_;
  grpc::CallbackServerContext* const context_;
  std::optional<LogIntake> intake_;
  Committer* committer_ = nullptr;
  LogUp message_;
  LogDown answer_;
  uint64_t durable_ = 0;  // messages
  uint64_t told_ = 0;
  bool welcome_due_ = false;
  bool welcomed_ = false;
  bool done_due_ = false;
  bool last_told_ = false;
  bool writing_ = false;
  bool ended_ = false;
  bool finish_due_ = false;  // after the write that is under way
  absl::Status why_;
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_LOGS_STREAM_H_
