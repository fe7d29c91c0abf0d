#include "launcher/streams/log_stream.h"

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/client_callback.h>

#include <asio/post.hpp>
#include <deque>
#include <mutex>
#include <utility>

#include "absl/synchronization/notification.h"
#include "launcher/streams/status_reason.h"
#include "proto/collector.grpc.pb.h"

namespace muster::streams {
namespace {

constexpr char kMethod[] = "/muster.Collector/Logs";

}  // namespace

class LogStream::Call final
    : public grpc::ClientBidiReactor<grpc::ByteBuffer, LogDown>,
      public std::enable_shared_from_this<Call> {
 public:
  Call(asio::io_context& loop, const std::shared_ptr<grpc::Channel>& channel,
       Callbacks callbacks)
      : stub_(channel), callbacks_(std::move(callbacks)), loop_(&loop) {}

  void Open() {
    stub_.PrepareBidiStreamingCall(&context_, kMethod, grpc::StubOptions(),
                                   this);
    AddHold();  // writes start outside of reactions
    StartRead(&incoming_);
    StartCall();
  }

  void Detach() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      loop_ = nullptr;
    }
    detached_ = true;
    context_.TryCancel();
    Close();
    done_.WaitForNotification();
  }

  bool can_write() const { return queued_ < kMostQueued && !closed_; }

  void Write(const grpc::ByteBuffer& message) {
    ++queued_;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (writing_) {
        queue_.push_back(message);
        return;
      }
      writing_ = true;
    }
    outgoing_ = message;
    StartWrite(&outgoing_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      return Post([this] { Close(); });
    }
    Post([this, message = std::move(incoming_)] {
      callbacks_.on_message(message);
    });
    incoming_.Clear();
    StartRead(&incoming_);
  }

  // Goes on with the next message here and now: the loop may be busy with the
  // disk, and what gRPC does for a message (TLS) is done by its own thread.
  void OnWriteDone(bool ok) override {
    outgoing_.Clear();
    bool next = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      next = ok && !queue_.empty();
      writing_ = next;
      if (next) {
        outgoing_.Swap(&queue_.front());
        queue_.pop_front();
      }
    }
    if (next) StartWrite(&outgoing_);
    if (!ok) return;  // the read fails as well, and the status says why
    Post([this] {
      --queued_;
      if (!closed_) callbacks_.on_written();
    });
  }

  void OnDone(const grpc::Status& status) override {
    Post([this, status] { callbacks_.on_closed(WithReason(status)); });
    done_.Notify();
  }

 private:
  template <typename Function>
  void Post(Function function) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (loop_ == nullptr) return;
    asio::post(*loop_,
               [self = shared_from_this(), function = std::move(function)] {
                 if (!self->detached_) function();
               });
  }

  // Writes nothing any more, so that the stream can end.
  void Close() {
    if (std::exchange(closed_, true)) return;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      queue_.clear();
    }
    RemoveHold();
  }

  grpc::TemplatedGenericStub<grpc::ByteBuffer, LogDown> stub_;
  grpc::ClientContext context_;
  LogDown incoming_;         // the outstanding read's
  absl::Notification done_;  // OnDone is over

  // The loop's thread only.
  Callbacks callbacks_;
  int queued_ = 0;  // messages that are not written, as far as the loop knows
  bool closed_ = false;
  bool detached_ = false;

  grpc::ByteBuffer outgoing_;  // of whoever has set writing_

  std::mutex mutex_;
  asio::io_context* loop_;              // guarded by mutex_; null once detached
  std::deque<grpc::ByteBuffer> queue_;  // guarded by mutex_
  bool writing_ = false;                // guarded by mutex_
};

LogStream::LogStream(asio::io_context& loop,
                     const std::shared_ptr<grpc::Channel>& channel,
                     Callbacks callbacks)
    : call_(std::make_shared<Call>(loop, channel, std::move(callbacks))) {
  call_->Open();
}

LogStream::~LogStream() { call_->Detach(); }

bool LogStream::CanWrite() const { return call_->can_write(); }

void LogStream::Write(const grpc::ByteBuffer& message) {
  call_->Write(message);
}

}  // namespace muster::streams
