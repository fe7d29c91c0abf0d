// One agent's stream, at the coordinator's end.
#ifndef MUSTER_RENDEZVOUS_COORDINATOR_STREAM_H_
#define MUSTER_RENDEZVOUS_COORDINATOR_STREAM_H_

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "proto/rendezvous.grpc.pb.h"

namespace muster::rendezvous {

// Job: reads one message at a time and writes one at a time, in order.
// Life cycle: made in the service method, kept alive by gRPC until OnDone and
// by whoever holds the pointer.
// Threads: Send and Close from any thread. The handlers are called on gRPC's
// threads and must not block; on_closed comes once and last.
class CoordinatorStream final
    : public grpc::ServerBidiReactor<AgentMessage, CoordinatorMessage>,
      public std::enable_shared_from_this<CoordinatorStream> {
 public:
  struct Handlers {
    std::function<void(AgentMessage)> on_message;
    std::function<void()> on_closed;
  };

  static std::shared_ptr<CoordinatorStream> Make(
      grpc::CallbackServerContext* context);

  // Starts to read. To be called once.
  void Begin(Handlers handlers);
  // Does nothing once the stream is closing. An agent that does not read what
  // it is sent (kMaxPending messages wait) is cut off.
  void Send(CoordinatorMessage message);
  // Ends the stream when all that was sent before is written.
  void Close(grpc::Status status);
  const std::string& peer() const { return peer_; }

 private:
  static constexpr size_t kMaxPending = 1024;

  explicit CoordinatorStream(grpc::CallbackServerContext* context)
      : context_(context), peer_(context->peer()) {}

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override;
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  grpc::CallbackServerContext* const context_;
  const std::string peer_;
  Handlers handlers_;
  AgentMessage incoming_;                    // owned by the outstanding read
  std::shared_ptr<CoordinatorStream> self_;  // until OnDone

  absl::Mutex mutex_;
  std::deque<CoordinatorMessage> outgoing_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_COORDINATOR_STREAM_H_
