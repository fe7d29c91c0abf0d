#include "launcher/collector/committer.h"

#include <utility>

namespace muster::collector {
namespace {

using Clock = std::chrono::steady_clock;

// Between the beginnings of two commits, unless somebody waits: senders may be
// a window ahead meanwhile.
constexpr std::chrono::milliseconds kPace{25};

}  // namespace

void Committer::Want(Waiter* waiter, uint64_t mark, bool now) {
  wanted_[waiter] = mark;
  wanted_any_ = true;
  const bool hurries = now && !std::exchange(wanted_now_, true);
  if (is_under_way_ || (busy_ && !hurries)) return;
  busy_ = true;
  Schedule();
}

void Committer::Forget(Waiter* waiter) {
  wanted_.erase(waiter);
  under_way_.erase(waiter);
}

// What was scheduled before is void.
void Committer::Schedule() {
  auto begin = [this, alive = std::weak_ptr<bool>(alive_), due = ++due_] {
    if (!alive.expired() && due == due_) Begin();
  };
  pause_.reset();
  const Clock::duration passed = Clock::now() - began_;
  if (wanted_now_ || passed >= kPace) {
    // Later, so that what comes at the same time is in the same commit.
    environment_.later(std::move(begin));
  } else {
    pause_ = environment_.after(kPace - passed, std::move(begin));
  }
}

void Committer::Begin() {
  is_under_way_ = true;
  wanted_any_ = false;
  wanted_now_ = false;
  began_ = Clock::now();
  under_way_ = std::exchange(wanted_, {});
  auto changes = std::make_shared<LogChanges>(run_->logs().TakeChanges());
  if (changes->empty()) return Over(absl::OkStatus());
  environment_.elsewhere([this, run = run_, changes] {
    absl::Status status = run->Commit(*changes);
    environment_.later([this, status] { Over(status); });
  });
}

void Committer::Over(const absl::Status& status) {
  // A waiter that is told may have others forgotten.
  while (!under_way_.empty()) {
    const auto [waiter, mark] = *under_way_.begin();
    under_way_.erase(under_way_.begin());
    waiter->OnCommitted(mark, status);
  }
  is_under_way_ = false;
  if (status.ok() && wanted_any_) return Schedule();
  busy_ = false;
  const auto on_over = environment_.on_over;  // may outlive this object
  on_over(status);
}

}  // namespace muster::collector
