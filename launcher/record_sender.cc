#include "launcher/record_sender.h"

#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <iterator>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "launcher/log.h"
#include "launcher/streams/retry.h"
#include "launcher/streams/status_reason.h"

namespace muster::launcher {
namespace {

constexpr std::chrono::seconds kCallTimeout{10};
// Whether the same call may succeed later. Another run of this id stays.
bool IsTransient(const grpc::Status& status) {
  return status.error_code() != grpc::StatusCode::ALREADY_EXISTS &&
         streams::IsWorthRetrying(status.error_code());
}

}  // namespace

RecordSender::RecordSender(const std::shared_ptr<grpc::Channel>& channel,
                           std::string run_id, std::string run_key)
    : stub_(Collector::NewStub(channel)),
      run_id_(std::move(run_id)),
      run_key_(std::move(run_key)) {
  Add(RecordUpdate());
  thread_ = std::thread([this] {
    Run();
    Over();
  });
}

RecordSender::~RecordSender() { Close(std::chrono::milliseconds(0)); }

void RecordSender::Write(RecordDocument document, std::string content) {
  RecordUpdate update;
  update.set_document(document);
  update.set_content(std::move(content));
  Add(std::move(update));
}

void RecordSender::Append(std::string lines) {
  RecordUpdate update;
  update.set_document(RECORD_EVENTS);
  update.set_content(std::move(lines));
  Add(std::move(update));
}

void RecordSender::Add(RecordUpdate update) {
  update.set_run_id(run_id_);
  update.set_run_key(run_key_);
  const absl::MutexLock lock(&mutex_);
  if (given_up_) return;
  if (update.document() == RECORD_EVENTS) {
    update.set_offset(events_end_);
    events_end_ += update.content().size();
  } else if (queue_.size() > 1) {
    const auto older =
        std::find_if(std::next(queue_.begin()), queue_.end(),
                     [&](const RecordUpdate& waiting) {
                       return waiting.document() == update.document();
                     });
    if (older != queue_.end()) queue_.erase(older);
  }
  queue_.push_back(std::move(update));
}

void RecordSender::Run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);  // signals are for the agent
  streams::Backoff backoff(std::random_device{}());
  while (const RecordUpdate* update = Next()) {
    const grpc::Status status = Send(*update);
    const absl::MutexLock lock(&mutex_);
    if (status.ok()) {
      queue_.pop_front();
      problem_.clear();
      backoff.Reset();
      continue;
    }
    if (problem_.empty() && !given_up_) {
      spdlog::warn("the collector does not take the record of this run: {}",
                   status.error_message());
    }
    problem_ = status.error_message();
    if (!IsTransient(status)) {
      given_up_ = true;
      queue_.clear();
      return;
    }
    mutex_.AwaitWithTimeout(
        absl::Condition(&given_up_),
        absl::FromChrono(backoff.Next(status.error_code())));
  }
}

void RecordSender::Over() {
  std::function<void()> on_done;
  {
    const absl::MutexLock lock(&mutex_);
    over_ = true;
    on_done = std::exchange(on_done_, nullptr);
  }
  if (on_done) on_done();
}

void RecordSender::Finish(std::function<void()> on_done) {
  {
    const absl::MutexLock lock(&mutex_);
    closed_ = true;
    if (!over_) {
      on_done_ = std::move(on_done);
      return;
    }
  }
  on_done();
}

const RecordUpdate* RecordSender::Next() {
  const absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](RecordSender* self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(self->mutex_) {
        return !self->queue_.empty() || self->closed_ || self->given_up_;
      },
      this));
  return queue_.empty() || given_up_ ? nullptr : &queue_.front();
}

grpc::Status RecordSender::Send(const RecordUpdate& update) {
  grpc::ClientContext call;
  call.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  call.set_wait_for_ready(true);
  {
    const absl::MutexLock lock(&mutex_);
    if (given_up_) return grpc::Status::CANCELLED;
    call_ = &call;
  }
  RecordReply reply;
  const grpc::Status status = stub_->Record(&call, update, &reply);
  const absl::MutexLock lock(&mutex_);
  call_ = nullptr;
  return streams::WithReason(status);
}

std::string RecordSender::Close(std::chrono::milliseconds timeout) {
  std::string problem;
  {
    const absl::MutexLock lock(&mutex_);
    closed_ = true;
    mutex_.AwaitWithTimeout(
        absl::Condition(
            +[](RecordSender* self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(
                 self->mutex_) { return self->queue_.empty(); },
            this),
        absl::FromChrono(timeout));
    if (!queue_.empty() && problem_.empty()) {
      problem_ = "the collector does not answer";
    }
    given_up_ = true;
    on_done_ = nullptr;
    if (call_) call_->TryCancel();
    problem = problem_;
  }
  if (thread_.joinable()) thread_.join();
  return problem;
}

}  // namespace muster::launcher
