#include "launcher/streams/delivery.h"

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <asio/post.hpp>
#include <deque>
#include <mutex>
#include <string>

#include "absl/synchronization/notification.h"
#include "proto/collector.grpc.pb.h"

namespace muster::streams {

// The stream itself. gRPC's reactions only post to the loop, where everything
// else happens.
class Delivery::Stream final
    : public grpc::ClientBidiReactor<muster::Delivery, Receipt>,
      public std::enable_shared_from_this<Stream> {
 public:
  Stream(asio::io_context& loop, const std::shared_ptr<grpc::Channel>& channel,
         Callbacks callbacks)
      : stub_(Collector::NewStub(channel)),
        callbacks_(std::move(callbacks)),
        loop_(&loop) {}

  void Open() {
    stub_->async()->Deliver(&context_, this);
    AddHold();  // Send and Detach start operations outside of reactions
    StartRead(&receipt_);
    StartCall();
  }

  // No callback comes after this. Waits until gRPC has let go of the stream:
  // otherwise one of gRPC's threads might be the last to hold the channel, and
  // where that is the last channel of the process, gRPC 1.51 makes the thread
  // join itself and frees the queue under it.
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

  void Send(muster::Delivery message, size_t bytes) {
    if (closed_) return;
    const size_t cost = bytes + kOverhead;
    queue_.push_back({std::move(message), cost});
    Count(cost);
    Pump();
  }

  // Adds to the last message where that is possible, so that a worker that
  // writes byte by byte does not cost a message each.
  bool Extend(const LogChunk& next) {
    if (queue_.size() < (writing_ ? 2u : 1u)) return false;
    if (!queue_.back().message.has_log()) return false;
    LogChunk& last = *queue_.back().message.mutable_log();
    if (last.rank() != next.rank() || last.is_stderr() != next.is_stderr() ||
        last.data().size() + next.data().size() > kMaxChunk) {
      return false;
    }
    last.mutable_data()->append(next.data());
    last.set_end(next.end());
    queue_.back().cost += next.data().size();
    Count(next.data().size());
    return true;
  }

  bool full() const { return full_; }
  size_t queued() const { return queued_; }
  bool closed() const { return closed_; }

  void OnReadDone(bool ok) override {
    Post([this, ok] { ReadDone(ok); });
  }
  void OnWriteDone(bool ok) override {
    Post([this, ok] { WriteDone(ok); });
  }
  void OnDone(const grpc::Status& status) override {
    Post([this, status] { Done(status); });
    done_.Notify();
  }

 private:
  // What a message costs beside its data, so that many empty ones are bounded
  // as well.
  static constexpr size_t kOverhead = 128;

  struct Item {
    muster::Delivery message;
    size_t cost;
  };

  template <typename Function>
  void Post(Function function) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (loop_ == nullptr) return;
    asio::post(*loop_, [self = shared_from_this(), function]() mutable {
      if (!self->detached_) function();
    });
  }

  void Count(size_t added) {
    queued_ += added;
    if (queued_ >= kBound) full_ = true;
  }

  void Pump() {
    if (writing_ || closed_ || queue_.empty()) return;
    writing_ = true;
    StartWrite(&queue_.front().message);
  }

  // Starts nothing any more, and drops what is queued.
  void Close() {
    if (closed_) return;
    closed_ = true;
    full_ = false;
    queued_ = 0;
    queue_.erase(queue_.begin() + (writing_ ? 1 : 0), queue_.end());
    RemoveHold();
  }

  void WriteDone(bool ok) {
    writing_ = false;
    if (closed_) return queue_.clear();
    queued_ -= queue_.front().cost;
    queue_.pop_front();
    if (!ok) return;  // the read fails as well, and the status says why
    Pump();
    if (full_ && queued_ < kBound / 2) {
      full_ = false;
      if (callbacks_.on_writable) callbacks_.on_writable();
    }
  }

  void ReadDone(bool ok) {
    Close();
    if (!ok) return;  // the status comes with Done
    settled_ = true;
    callbacks_.on_receipt(receipt_);
  }

  void Done(const grpc::Status& status) {
    if (settled_) return;
    settled_ = true;
    callbacks_.on_failed(
        status.ok() ? grpc::Status(grpc::StatusCode::INTERNAL,
                                   "the collector ended without a receipt")
                    : status);
  }

  const std::unique_ptr<Collector::Stub> stub_;
  grpc::ClientContext context_;
  Receipt receipt_;
  absl::Notification done_;  // OnDone is over

  // The loop's thread only.
  Callbacks callbacks_;
  std::deque<Item> queue_;  // while writing_ the first is gRPC's
  size_t queued_ = 0;
  bool writing_ = false;
  bool full_ = false;
  bool closed_ = false;
  bool settled_ = false;
  bool detached_ = false;

  std::mutex mutex_;
  asio::io_context* loop_;  // guarded by mutex_; null once detached
};

Delivery::Delivery(asio::io_context& loop,
                   const std::shared_ptr<grpc::Channel>& channel,
                   const Introduction& introduction, Callbacks callbacks)
    : stream_(std::make_shared<Stream>(loop, channel, std::move(callbacks))) {
  stream_->Open();
  muster::Delivery message;
  *message.mutable_introduction() = introduction;
  stream_->Send(std::move(message), 0);
}

Delivery::~Delivery() { stream_->Detach(); }

bool Delivery::Full() const { return stream_->full(); }
size_t Delivery::QueuedBytes() const { return stream_->queued(); }
bool Delivery::IsOpen() const { return !stream_->closed(); }

void Delivery::AppendLog(uint32_t rank, bool is_stderr,
                         absl::string_view bytes) {
  uint64_t& offset = offsets_[{rank, is_stderr}];
  while (!bytes.empty()) {
    const absl::string_view piece = bytes.substr(0, kMaxChunk);
    muster::Delivery message;
    LogChunk& log = *message.mutable_log();
    log.set_rank(rank);
    log.set_is_stderr(is_stderr);
    log.set_offset(offset);
    log.set_data(piece.data(), piece.size());
    if (!stream_->Extend(log)) {
      stream_->Send(std::move(message), piece.size());
    }
    offset += piece.size();
    bytes.remove_prefix(piece.size());
  }
}

void Delivery::EndLog(uint32_t rank, bool is_stderr) {
  muster::Delivery message;
  LogChunk& log = *message.mutable_log();
  log.set_rank(rank);
  log.set_is_stderr(is_stderr);
  log.set_offset(offsets_[{rank, is_stderr}]);
  log.set_end(true);
  if (!stream_->Extend(log)) stream_->Send(std::move(message), 0);
}

void Delivery::AppendAgentLog(absl::string_view bytes) {
  while (!bytes.empty()) {
    const absl::string_view piece = bytes.substr(0, kMaxChunk);
    muster::Delivery message;
    message.mutable_agent_log()->set_data(piece.data(), piece.size());
    stream_->Send(std::move(message), piece.size());
    bytes.remove_prefix(piece.size());
  }
}

void Delivery::SendFileChunk(FileChunk chunk) {
  const size_t bytes = chunk.data().size() + chunk.path().size();
  muster::Delivery message;
  *message.mutable_file() = std::move(chunk);
  stream_->Send(std::move(message), bytes);
}

void Delivery::Finish() {
  muster::Delivery message;
  message.mutable_finish();
  stream_->Send(std::move(message), 0);
}

}  // namespace muster::streams
