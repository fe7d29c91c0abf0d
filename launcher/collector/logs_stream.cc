#include "launcher/collector/logs_stream.h"

#include <utility>

#include "launcher/collector/grpc_status.h"

namespace muster::collector {

// ---- gRPC's threads ----

void LogsStream::OnReadDone(bool ok) {
  host_->Post([this, ok] {
    if (ended_) return;
    if (ok) return Take();
    End(absl::CancelledError("the stream broke before it was finished"));
  });
}

void LogsStream::OnWriteDone(bool ok) {
  host_->Post([this, ok] {
    writing_ = false;
    if (finish_due_) return Finish(ToGrpc(why_));
    if (ended_) return;
    if (!ok) return End(absl::CancelledError("the stream broke"));
    Pump();
  });
}

void LogsStream::OnDone() {
  host_->Post([this] { host_->Done(this); });
}

// ---- the collector's thread ----

void LogsStream::Start(LogIntake::Admit admit) {
  intake_.emplace(std::move(admit));
  StartRead(&message_);
}

void LogsStream::Take() {
  const bool is_first = !intake_->is_introduced();
  const absl::Status taken = intake_->Take(message_);
  if (!taken.ok()) return End(taken);
  host_->CountBytes(message_.data().data().size());
  message_.Clear();  // an idle stream holds no bytes
  const bool awaits = is_first || intake_->is_finished();
  committer_->Want(this, intake_->taken(), awaits);
  if (!awaits) StartRead(&message_);
}

void LogsStream::OnCommitted(uint64_t mark, const absl::Status& status) {
  if (!status.ok()) return End(status);
  if (!welcomed_) {
    welcomed_ = true;
    welcome_due_ = true;
    StartRead(&message_);
  }
  durable_ = mark;
  if (intake_->is_finished() && mark == intake_->taken()) done_due_ = true;
  Pump();
}

void LogsStream::Pump() {
  if (writing_ || ended_) return;
  answer_.Clear();
  if (welcome_due_) {
    welcome_due_ = false;
    *answer_.mutable_welcome() = intake_->Welcome(host_->WindowBytes());
  } else if (durable_ > told_ || (done_due_ && !last_told_)) {
    last_told_ = done_due_;
    told_ = durable_;
    answer_.mutable_progress()->set_messages(told_);
  } else if (done_due_) {
    *answer_.mutable_done() = intake_->Done();
    ended_ = true;
    host_->Ended(this, absl::OkStatus());
    return StartWriteAndFinish(&answer_, grpc::WriteOptions(),
                               grpc::Status::OK);
  } else {
    return;
  }
  writing_ = true;
  StartWrite(&answer_);
}

void LogsStream::End(const absl::Status& why) {
  if (ended_) return;
  ended_ = true;
  why_ = why;
  host_->Ended(this, why);
  if (!writing_) return Finish(ToGrpc(why));
  // A peer that does not read holds the write for as long as it likes.
  finish_due_ = true;
  if (absl::IsCancelled(why)) context_->TryCancel();
}

}  // namespace muster::collector
