#include "launcher/fabric/nccl/watch.h"

#include <sched.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace muster::fabric {
namespace {

// So long processors are only lent to others.
constexpr absl::Duration kYielding = absl::Microseconds(40);
constexpr absl::Duration kLongestPause = absl::Milliseconds(1);

}  // namespace

Failed Watch::Check(const std::string& what) const {
  if (inbox_.IsStopped(group_)) {
    return MakeFailure(FABRIC_FAILURE_ABORTED,
                       "stopped: another member had failed");
  }
  if (Left() <= absl::ZeroDuration()) {
    return MakeFailure(FABRIC_FAILURE_TIMEOUT,
                       absl::StrCat(what, " did not end within ",
                                    absl::FormatDuration(patience_)));
  }
  return std::nullopt;
}

void Watch::Pause() const {
  const absl::Duration waited = absl::FromChrono(Clock::now() - waiting_since_);
  if (waited < kYielding) {
    sched_yield();
    return;
  }
  absl::SleepFor(std::min(waited / 16, kLongestPause));
}

}  // namespace muster::fabric
