#include "launcher/collector/committer.h"

#include <utility>

namespace muster::collector {

void Committer::Want(Waiter* waiter, uint64_t mark) {
  wanted_[waiter] = mark;
  wanted_any_ = true;
  if (busy_) return;
  // Later, so that what comes at the same time is in the same commit.
  busy_ = true;
  environment_.later([this] { Begin(); });
}

void Committer::Forget(Waiter* waiter) {
  wanted_.erase(waiter);
  under_way_.erase(waiter);
}

void Committer::Begin() {
  wanted_any_ = false;
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
  if (status.ok() && wanted_any_) return Begin();
  busy_ = false;
  const auto on_over = environment_.on_over;  // may outlive this object
  on_over(status);
}

}  // namespace muster::collector
