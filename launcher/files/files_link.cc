#include "launcher/files/files_link.h"

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <asio/post.hpp>
#include <mutex>
#include <random>
#include <utility>

#include "absl/synchronization/notification.h"
#include "launcher/streams/status_reason.h"
#include "proto/collector.grpc.pb.h"

namespace muster::files {

// One call. gRPC's reactions only post to the loop, where the rest happens.
class FilesLink::Stream final
    : public grpc::ClientBidiReactor<FileUp, FileDown>,
      public std::enable_shared_from_this<Stream> {
 public:
  Stream(FilesLink* link)
      : stub_(Collector::NewStub(link->channel_)),
        link_(link),
        loop_(&link->loop_) {}

  void Open() {
    stub_->async()->Files(&context_, this);
    AddHold();  // operations are started outside of reactions
    StartRead(&down_);
    up_.mutable_introduction()->CopyFrom(link_->introduction_);
    writing_ = true;
    StartWrite(&up_);
    StartCall();
  }

  // Nothing reaches the link after this. Waits until gRPC has let go of the
  // stream: otherwise one of gRPC's threads might be the last to hold the
  // channel, and gRPC 1.51 makes the thread join itself where that is the last
  // channel of the process.
  void Detach() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      loop_ = nullptr;
    }
    link_ = nullptr;
    context_.TryCancel();
    Close();
    done_.WaitForNotification();
  }

  void Pump() {
    if (writing_ || closed_ || !link_->open_) return;
    if (!link_->callbacks_.next(&up_)) {
      up_.Clear();  // an idle link holds no memory
      return;
    }
    writing_ = true;
    StartWrite(&up_);
  }

  void OnReadDone(bool ok) override {
    Post([this, ok] { ReadDone(ok); });
  }
  void OnWriteDone(bool ok) override {
    Post([this, ok] {
      writing_ = false;
      if (ok) Pump();  // else the read fails as well, and the status says why
    });
  }
  void OnDone(const grpc::Status& status) override {
    Post([this, status] { link_->Ended(streams::WithReason(status)); });
    done_.Notify();
  }

 private:
  template <typename Function>
  void Post(Function function) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (loop_ == nullptr) return;
    asio::post(*loop_, [self = shared_from_this(), function]() mutable {
      if (self->link_ != nullptr) function();
    });
  }

  void Close() {
    if (closed_) return;
    closed_ = true;
    RemoveHold();
  }

  void ReadDone(bool ok) {
    if (!ok) return Close();
    link_->Received(down_);
    if (link_ == nullptr || closed_) return;
    StartRead(&down_);
  }

  const std::unique_ptr<Collector::Stub> stub_;
  grpc::ClientContext context_;
  absl::Notification done_;  // OnDone is over

  // The loop's thread only, or gRPC's while it writes or reads.
  FilesLink* link_;  // null once detached
  FileUp up_;
  FileDown down_;
  bool writing_ = false;
  bool closed_ = false;

  std::mutex mutex_;
  asio::io_context* loop_;  // guarded by mutex_; null once detached
};

FilesLink::FilesLink(asio::io_context& loop,
                     std::shared_ptr<grpc::Channel> channel,
                     Introduction introduction, Callbacks callbacks)
    : loop_(loop),
      channel_(std::move(channel)),
      introduction_(std::move(introduction)),
      callbacks_(std::move(callbacks)),
      timer_(loop),
      backoff_(std::random_device()()) {}

FilesLink::~FilesLink() {
  if (stream_) stream_->Detach();
}

void FilesLink::Start() { Connect(); }

void FilesLink::Connect() {
  // Our own backoff counts, not the channel's.
  grpc::experimental::ChannelResetConnectionBackoff(channel_.get());
  stream_ = std::make_shared<Stream>(this);
  stream_->Open();
}

void FilesLink::Wake() {
  if (stream_ && open_) stream_->Pump();
}

void FilesLink::Received(const FileDown& message) {
  if (message.has_welcome()) {
    open_ = true;
    callbacks_.on_open(message.welcome().window_bytes());
    if (stream_) stream_->Pump();
    return;
  }
  if (callbacks_.on_message(message)) backoff_.Reset();
}

void FilesLink::Ended(const grpc::Status& status) {
  const bool was_open = std::exchange(open_, false);
  std::exchange(stream_, nullptr)->Detach();
  if (ending_) return;
  // Without FileDone it is a collector that was ended.
  const grpc::Status why =
      status.ok() ? grpc::Status(grpc::StatusCode::UNAVAILABLE,
                                 "the collector ended the stream before all "
                                 "was there")
                  : status;
  if (!streams::IsWorthRetrying(why.error_code())) {
    return callbacks_.on_failed(why);
  }
  timer_.expires_after(backoff_.Next(why.error_code()));
  timer_.async_wait(
      [this, alive = std::weak_ptr<const bool>(alive_)](std::error_code error) {
        if (!error && !alive.expired()) Connect();
      });
  if (was_open || !backoff_.is_for_a_run()) callbacks_.on_broken(why);
}

}  // namespace muster::files
