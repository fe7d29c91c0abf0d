// A name that stands for all nodes of a job, such as a headless Service.
#ifndef MUSTER_RENDEZVOUS_NODE_ADDRESSES_H_
#define MUSTER_RENDEZVOUS_NODE_ADDRESSES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace muster::rendezvous {

// One address for each of `nodes` nodes out of `addresses`, all that the name
// resolves to now, in numeric order: 10.0.0.9 before 10.0.0.10. IPv4 where
// there is any, else IPv6, so that nodes with both count once and every agent
// that sees the same addresses gets the same answer. The nodes meet at the
// first.
//
// Errors:
//   Unavailable  there are not as many: records come one by one, and those of
//                an earlier job go late. The text shows what is there.
absl::StatusOr<std::vector<std::string>> NodeAddresses(
    const std::vector<std::string>& addresses, uint32_t nodes);

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_NODE_ADDRESSES_H_
