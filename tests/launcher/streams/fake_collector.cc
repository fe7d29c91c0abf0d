#include "tests/launcher/streams/fake_collector.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

namespace muster::streams {

class FakeCollector::Call final
    : public grpc::ServerBidiReactor<LogUp, LogDown> {
 public:
  explicit Call(FakeCollector& collector) : collector_(collector) {}

  void Start() ABSL_EXCLUSIVE_LOCKS_REQUIRED(collector_.mutex_) {
    collector_.calls_.insert(this);
    StartRead(&up_);
  }

  void OnReadDone(bool ok) override {
    absl::MutexLock lock(&collector_.mutex_);
    if (closed_) return;
    if (!ok) return Close(grpc::Status::CANCELLED);
    if (!collector_.refusal_.ok()) return Close(collector_.refusal_);
    if (up_.has_introduction()) {
      if (collector_.IsTaken()) {
        return Close(grpc::Status(grpc::StatusCode::ALREADY_EXISTS,
                                  "the earlier stream is not over"));
      }
      collector_.introductions_.push_back(up_.introduction());
      introduced_ = true;
    } else if (!introduced_) {
      return Close(
          grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "who is there?"));
    } else if (collector_.full_) {
      return Close(
          grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "disk full"));
    } else {
      const absl::Status status = collector_.Take(up_);
      if (!status.ok()) {
        return Close(grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                                  std::string(status.message())));
      }
      ++taken_;
      finishing_ = up_.has_finish();
      if (collector_.break_after_ > 0 && --collector_.break_after_ == 0) {
        return Close(collector_.break_with_);
      }
    }
    Flush();
    if (!closed_ && !finishing_) StartRead(&up_);
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&collector_.mutex_);
    writing_ = false;
    if (ok) Flush();
  }

  void OnCancel() override {
    absl::MutexLock lock(&collector_.mutex_);
    Close(grpc::Status::CANCELLED);
  }

  void OnDone() override {
    {
      absl::MutexLock lock(&collector_.mutex_);
      collector_.calls_.erase(this);
    }
    delete this;
  }

  void Close(const grpc::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(collector_.mutex_) {
    if (std::exchange(closed_, true)) return;
    Finish(status);
  }

  bool IsOpen() const { return introduced_ && !closed_; }

  // Writes what there is to say.
  void Flush() ABSL_EXCLUSIVE_LOCKS_REQUIRED(collector_.mutex_) {
    if (writing_ || closed_ || !introduced_) return;
    down_.Clear();
    if (!std::exchange(welcomed_, true)) {
      *down_.mutable_welcome() = collector_.ledger_.Welcome(collector_.window_);
      // What it says is durable.
      collector_.ledger_.MakeDurable();
    } else if (collector_.hold_) {
      return;
    } else if (acknowledged_ < taken_) {
      collector_.ledger_.MakeDurable();
      collector_.unacknowledged_ = 0;
      acknowledged_ = taken_;
      down_.mutable_progress()->set_messages(acknowledged_ +
                                             (collector_.lies_ ? 1 : 0));
    } else if (finishing_) {
      collector_.done_ = collector_.ledger_.Done();
      *down_.mutable_done() = *collector_.done_;
      closed_ = true;
      StartWriteAndFinish(&down_, grpc::WriteOptions(), grpc::Status::OK);
      return;
    } else {
      return;
    }
    writing_ = true;
    StartWrite(&down_);
  }

 private:
  FakeCollector& collector_;
  LogUp up_;
  LogDown down_;
  bool introduced_ = false;
  bool welcomed_ = false;
  bool writing_ = false;
  bool finishing_ = false;
  bool closed_ = false;
  uint64_t taken_ = 0;
  uint64_t acknowledged_ = 0;
};

grpc::ServerBidiReactor<LogUp, LogDown>* FakeCollector::Logs(
    grpc::CallbackServerContext* /*context*/) {
  auto* const call = new Call(*this);
  absl::MutexLock lock(&mutex_);
  call->Start();
  return call;
}

absl::Status FakeCollector::Take(const LogUp& message) {
  ++messages_;
  bytes_ += message.data().data().size();
  unacknowledged_ += message.data().data().size();
  most_unacknowledged_ = std::max(most_unacknowledged_, unacknowledged_);
  return ledger_.Take(message);
}

std::map<StreamId, Stored> FakeCollector::Streams() {
  absl::MutexLock lock(&mutex_);
  return ledger_.streams();
}

std::vector<Introduction> FakeCollector::Introductions() {
  absl::MutexLock lock(&mutex_);
  return introductions_;
}

uint64_t FakeCollector::messages() {
  absl::MutexLock lock(&mutex_);
  return messages_;
}

uint64_t FakeCollector::bytes() {
  absl::MutexLock lock(&mutex_);
  return bytes_;
}

uint64_t FakeCollector::most_unacknowledged() {
  absl::MutexLock lock(&mutex_);
  return most_unacknowledged_;
}

std::optional<LogDone> FakeCollector::done() {
  absl::MutexLock lock(&mutex_);
  return done_;
}

bool FakeCollector::WaitUntil(
    const std::function<bool(FakeCollector&)>& holds) {
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (!holds(*this)) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

void FakeCollector::SetWindow(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  window_ = bytes;
}

void FakeCollector::HoldAcks(bool hold) {
  absl::MutexLock lock(&mutex_);
  hold_ = hold;
  if (!hold) {
    for (Call* const call : calls_) call->Flush();
  }
}

void FakeCollector::Refuse(const grpc::Status& status) {
  absl::MutexLock lock(&mutex_);
  refusal_ = status;
}

void FakeCollector::BreakAfter(uint64_t messages, const grpc::Status& status) {
  absl::MutexLock lock(&mutex_);
  break_after_ = messages;
  break_with_ = status;
}

void FakeCollector::SetFull(bool full) {
  absl::MutexLock lock(&mutex_);
  full_ = full;
}

void FakeCollector::AcknowledgeTooMuch() {
  absl::MutexLock lock(&mutex_);
  lies_ = true;
}

bool FakeCollector::IsTaken() const {
  return std::any_of(calls_.begin(), calls_.end(),
                     [](const Call* call) { return call->IsOpen(); });
}

void FakeCollector::Reset() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](std::set<Call*>* calls) { return calls->empty(); }, &calls_));
  ledger_ = Ledger();
}

void FakeCollector::Crash() {
  absl::MutexLock lock(&mutex_);
  for (Call* const call : calls_) {
    call->Close(grpc::Status(grpc::StatusCode::UNAVAILABLE, "crashed"));
  }
  ledger_.Forget();
  unacknowledged_ = 0;
}

void CollectorServer::Stop() {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

void CollectorServer::Start() {
  rendezvous::ListeningServer listening =
      *rendezvous::Listen("127.0.0.1", port_, credentials_, {&collector_});
  server_ = std::move(listening.server);
  port_ = listening.port;
}

}  // namespace muster::streams
