// One call of History that streams replies, read at its caller's pace.
#ifndef MUSTER_LAUNCHER_HISTORY_REMOTE_CALL_H_
#define MUSTER_LAUNCHER_HISTORY_REMOTE_CALL_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "launcher/collector/beneath.h"
#include "launcher/history/producer.h"

namespace muster::history {

// Job: hand the replies of one call to a thread that is not gRPC's.
// Life cycle: construct, Start, Next or Wait until kOver or an error. The
// destructor cancels the call and waits until gRPC has let go of it, so that
// none of gRPC's threads is the last to hold the channel.
// Threads: the caller's one; gRPC's reactions keep to what mutex_ guards.
template <typename Reply>
class RemoteCall final : public grpc::ClientReadReactor<Reply> {
 public:
  RemoteCall() : news_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~RemoteCall() override {
    if (!started_) return;
    context_.TryCancel();
    bool holds = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      abandoned_ = true;
      holds = !std::exchange(reading_, true) && !released_;
    }
    if (holds) this->RemoveHold();
    done_.WaitForNotification();
  }

  // `begin(context, reactor)` makes the call with the stub.
  template <typename Begin>
  void Start(Begin begin) {
    started_ = true;
    begin(&context_, this);
    this->AddHold();  // reads are started outside of reactions
    reading_ = true;
    this->StartRead(&incoming_);
    this->StartCall();
  }

  // Never waits: kNothing where the next reply is on its way. Errors: the
  // status of the call.
  absl::StatusOr<Step> Next(Reply* reply) {
    uint64_t count = 0;
    const ssize_t cleared = read(news_.get(), &count, sizeof count);
    static_cast<void>(cleared);  // EAGAIN: there was no news
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!has_reply_) return Ended();
      has_reply_ = false;
      *reply = std::move(incoming_);
      incoming_.Clear();
      reading_ = true;
    }
    this->StartRead(&incoming_);
    return Step::kReply;
  }

  // As Next, but waits: never kNothing.
  absl::StatusOr<Step> Wait(Reply* reply) {
    while (true) {
      absl::StatusOr<Step> step = Next(reply);
      if (!step.ok() || *step != Step::kNothing) return step;
      pollfd news = {news_.get(), POLLIN, 0};
      poll(&news, 1, -1);
    }
  }

  int fd() const { return news_.get(); }

 private:
  // Under mutex_.
  absl::StatusOr<Step> Ended() const {
    if (!status_) return Step::kNothing;
    if (status_->ok()) return Step::kOver;
    return absl::Status(static_cast<absl::StatusCode>(status_->error_code()),
                        status_->error_message());
  }

  void OnReadDone(bool ok) override {
    bool release = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      reading_ = false;
      has_reply_ = ok;
      release = (!ok || abandoned_) && !std::exchange(released_, true);
    }
    if (release) this->RemoveHold();
    Tell();
  }
  void OnDone(const grpc::Status& status) override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      status_ = status;
    }
    Tell();
    done_.Notify();
  }
  void Tell() {
    const uint64_t one = 1;
    const ssize_t told = write(news_.get(), &one, sizeof one);
    static_cast<void>(told);  // EAGAIN: it is readable already
  }

  const collector::Fd news_;
  grpc::ClientContext context_;
  bool started_ = false;
  absl::Notification done_;

  std::mutex mutex_;
  // Guarded by mutex_.
  Reply incoming_;
  bool reading_ = false;  // gRPC has incoming_
  bool has_reply_ = false;
  bool abandoned_ = false;
  bool released_ = false;  // the hold
  std::optional<grpc::Status> status_;
};

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_REMOTE_CALL_H_
