// What this node is, but for its GPUs.
#ifndef MUSTER_LAUNCHER_FABRIC_NODE_FACTS_H_
#define MUSTER_LAUNCHER_FABRIC_NODE_FACTS_H_

#include <string>

#include "proto/fabric.pb.h"

namespace muster::fabric {

// Adapters, limits and boot id of this node, and the interface that has
// `address`. Cheap: a few small files of the kernel. What cannot be read is
// left empty.
FabricInventory NodeFacts(const std::string& address);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NODE_FACTS_H_
