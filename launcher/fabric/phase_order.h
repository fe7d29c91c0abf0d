// Which parts of the test there are for whom.
#ifndef MUSTER_LAUNCHER_FABRIC_PHASE_ORDER_H_
#define MUSTER_LAUNCHER_FABRIC_PHASE_ORDER_H_

#include <memory>

#include "launcher/fabric/judge.h"
#include "launcher/fabric/phase.h"
#include "launcher/fabric/tested_node.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// Null where an earlier one failed for all, or that phase has nothing to do:
// SOLO and LOCAL without GPUs, NETWORK with fewer than two nodes that take
// part, and WORLD where pairs have said all, where a link is broken, which
// would break it for all, or where the nodes are too many. `nodes` must outlive
// it.
std::unique_ptr<Phase> MakePhase(FabricPhase phase, const TestedNodes& nodes,
                                 const Scale& scale,
                                 const FabricReport& so_far);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_PHASE_ORDER_H_
