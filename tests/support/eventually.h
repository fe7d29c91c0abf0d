// Waiting for something that announces itself nowhere, such as a process that
// leaves /proc.
#ifndef MUSTER_TESTS_SUPPORT_EVENTUALLY_H_
#define MUSTER_TESTS_SUPPORT_EVENTUALLY_H_

#include <unistd.h>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace muster::test {

// For what takes milliseconds: long enough for a busy machine with sanitizers,
// so that reaching it is a finding.
inline constexpr absl::Duration kSoon = absl::Seconds(20);

// Whether `predicate` came true before the deadline; asked every 2 ms.
template <typename Predicate>
bool Eventually(Predicate predicate, absl::Duration deadline = kSoon) {
  const absl::Time end = absl::Now() + deadline;
  while (!predicate()) {
    if (absl::Now() > end) return false;
    usleep(2000);
  }
  return true;
}

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_EVENTUALLY_H_
