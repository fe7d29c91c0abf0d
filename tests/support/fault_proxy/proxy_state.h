// What the connections of a proxy have in common.
#ifndef MUSTER_TESTS_SUPPORT_FAULT_PROXY_PROXY_STATE_H_
#define MUSTER_TESTS_SUPPORT_FAULT_PROXY_PROXY_STATE_H_

#include <cstdint>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "tests/support/fault_proxy/fault_proxy.h"

namespace muster::test {

struct PlannedCut {
  uint64_t bytes = 0;  // still to go
  Direction direction = Direction::kUp;
  Cut how = Cut::kReset;
};

// Of the proxy's thread alone, but for the counts.
struct ProxyState {
  Faults faults;
  std::optional<PlannedCut> cut;

  mutable absl::Mutex mutex;
  ProxyCounts counts ABSL_GUARDED_BY(mutex);

  bool IsStalled(Direction direction) const {
    return direction == Direction::kUp ? faults.stalls_up : faults.stalls_down;
  }
};

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_FAULT_PROXY_PROXY_STATE_H_
