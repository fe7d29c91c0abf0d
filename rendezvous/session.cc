#include "rendezvous/session.h"

#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "asio/post.hpp"

namespace muster::rendezvous {

// What the session and its stream both reach. The callbacks belong to the
// loop; the stream goes there by posting.
struct Session::Shared {
  explicit Shared(asio::io_context& l) : loop(l) {}

  asio::io_context& loop;
  Callbacks callbacks;       // loop only
  bool alive = true;         // loop only: false once the session is destroyed
  Stream* stream = nullptr;  // loop only; null once closed
};

// Deletes itself when gRPC is done with it.
class Session::Stream final
    : public grpc::ClientBidiReactor<AgentMessage, CoordinatorMessage> {
 public:
  Stream(const std::shared_ptr<grpc::Channel>& channel,
         std::shared_ptr<Shared> shared)
      : shared_(std::move(shared)), stub_(Rendezvous::NewStub(channel)) {}

  void Begin(const Hello& hello) {
    stub_->async()->Join(&context_, this);
    // Writes come from outside of gRPC's callbacks: the hold keeps the stream
    // from ending under them.
    AddHold();
    StartRead(&incoming_);
    AgentMessage first;
    *first.mutable_hello() = hello;
    Send(std::move(first));
    StartCall();
  }

  void Send(AgentMessage message) {
    absl::MutexLock lock(&mutex_);
    if (leaving_) return;
    outgoing_.push_back(std::move(message));
    WriteNext();
  }

  void Leave() {
    absl::MutexLock lock(&mutex_);
    if (leaving_) return;
    leaving_ = true;
    WriteNext();
  }

  void Cancel() { context_.TryCancel(); }

 private:
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || ended_) return;
    if (!outgoing_.empty()) {
      writing_ = true;
      StartWrite(&outgoing_.front());
    } else if (leaving_ && !writes_done_) {
      writes_done_ = true;
      StartWritesDone();
    }
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      absl::MutexLock lock(&mutex_);
      ended_ = true;
      leaving_ = true;
      RemoveHold();
      return;
    }
    asio::post(shared_->loop,
               [shared = shared_, message = std::move(incoming_)]() mutable {
                 // A copy, since the callee may set other callbacks.
                 const auto on_message = shared->callbacks.on_message;
                 if (shared->alive) on_message(std::move(message));
               });
    incoming_.Clear();
    StartRead(&incoming_);
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    outgoing_.pop_front();
    if (!ok) outgoing_.clear();
    WriteNext();
  }

  void OnDone(const grpc::Status& status) override {
    // Deleted on the loop, so that the session never calls a dead stream.
    asio::post(shared_->loop, [this, shared = shared_, status] {
      shared->stream = nullptr;
      delete this;
      const auto on_closed = shared->callbacks.on_closed;
      if (shared->alive) on_closed(status);
    });
  }

  const std::shared_ptr<Shared> shared_;
  const std::unique_ptr<Rendezvous::Stub> stub_;
  grpc::ClientContext context_;
  CoordinatorMessage incoming_;  // owned by the outstanding read

  absl::Mutex mutex_;
  std::deque<AgentMessage> outgoing_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool leaving_ ABSL_GUARDED_BY(mutex_) = false;
  bool writes_done_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

Session::Session(asio::io_context& loop,
                 const std::shared_ptr<grpc::Channel>& channel,
                 const Hello& hello, Callbacks callbacks)
    : shared_(std::make_shared<Shared>(loop)) {
  shared_->callbacks = std::move(callbacks);
  shared_->stream = new Stream(channel, shared_);
  shared_->stream->Begin(hello);
}

Session::~Session() {
  shared_->alive = false;
  if (shared_->stream) shared_->stream->Cancel();
}

void Session::SetCallbacks(Callbacks callbacks) {
  shared_->callbacks = std::move(callbacks);
}

void Session::Send(AgentMessage message) {
  if (shared_->stream) shared_->stream->Send(std::move(message));
}

void Session::Leave() {
  if (shared_->stream) shared_->stream->Leave();
}

}  // namespace muster::rendezvous
