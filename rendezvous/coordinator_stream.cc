#include "rendezvous/coordinator_stream.h"

#include <utility>

namespace muster::rendezvous {

std::shared_ptr<CoordinatorStream> CoordinatorStream::Make(
    grpc::CallbackServerContext* context) {
  std::shared_ptr<CoordinatorStream> stream(new CoordinatorStream(context));
  stream->self_ = stream;
  return stream;
}

void CoordinatorStream::Begin(Handlers handlers) {
  handlers_ = std::move(handlers);
  StartRead(&incoming_);
}

void CoordinatorStream::Send(CoordinatorMessage message) {
  absl::MutexLock lock(&mutex_);
  if (closing_) return;
  if (outgoing_.size() >= kMaxPending) {
    closing_ = true;
    status_ = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                           "the agent does not read what it is sent");
    context_->TryCancel();
    return;
  }
  outgoing_.push_back(std::move(message));
  WriteNext();
}

void CoordinatorStream::Close(grpc::Status status) {
  absl::MutexLock lock(&mutex_);
  if (closing_) return;
  closing_ = true;
  status_ = std::move(status);
  WriteNext();
}

void CoordinatorStream::WriteNext() {
  if (writing_ || finished_) return;
  if (!outgoing_.empty()) {
    writing_ = true;
    StartWrite(&outgoing_.front());
  } else if (closing_) {
    finished_ = true;
    Finish(status_);
  }
}

void CoordinatorStream::OnReadDone(bool ok) {
  if (!ok) {
    Close(grpc::Status::OK);
    return;
  }
  handlers_.on_message(std::move(incoming_));
  incoming_.Clear();
  StartRead(&incoming_);
}

void CoordinatorStream::OnWriteDone(bool ok) {
  absl::MutexLock lock(&mutex_);
  writing_ = false;
  outgoing_.pop_front();
  if (!ok) {
    outgoing_.clear();
    closing_ = true;
  }
  WriteNext();
}

void CoordinatorStream::OnDone() {
  if (handlers_.on_closed) handlers_.on_closed();
  self_.reset();
}

}  // namespace muster::rendezvous
