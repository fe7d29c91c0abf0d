// Loopback addresses for simulated nodes.
#ifndef MUSTER_LAUNCHER_SIMULATE_LOOPBACK_H_
#define MUSTER_LAUNCHER_SIMULATE_LOOPBACK_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace muster::simulate {

// `base` + `k` as an address: all of 127/8 is this machine.
std::string LoopbackAddress(uint32_t base, uint32_t k);

// The base of `nodes` addresses in a row, at a random place of 127/8, so that
// simulated jobs do not meet; nobody listens on `port` of the first.
// Errors: Unavailable when none was found.
absl::StatusOr<uint32_t> FindLoopbackBase(uint32_t nodes, uint16_t port);

}  // namespace muster::simulate

#endif  // MUSTER_LAUNCHER_SIMULATE_LOOPBACK_H_
