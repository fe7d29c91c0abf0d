// Which node gets which rank: the stated rule, as a pure function.
#ifndef MUSTER_RENDEZVOUS_RANK_ORDER_H_
#define MUSTER_RENDEZVOUS_RANK_ORDER_H_

#include <cstdint>
#include <vector>

#include "proto/rendezvous.pb.h"

namespace muster::rendezvous {

// Returns for each node rank the index of its node in `nodes`.
//
// A node with an index of its own (--node-rank) gets that rank as far as the
// ranks are dense: ranks 0, 2 of two nodes become 0, 1 in that order. The
// others fill the vacant ranks in natural order of host names, then of
// addresses, then by incarnation, so that the answer never depends on who came
// first. No two nodes may carry the same index.
std::vector<size_t> OrderNodes(const std::vector<NodeFacts>& nodes);

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_RANK_ORDER_H_
