// The nodes of a self-test, and their GPUs.
#ifndef MUSTER_LAUNCHER_FABRIC_VIEW_NODE_TABLE_H_
#define MUSTER_LAUNCHER_FABRIC_VIEW_NODE_TABLE_H_

#include <string>

#include "proto/fabric.pb.h"

namespace muster::fabric {

// With Gloo a row for each node, with NCCL one for each GPU; where these are
// too many, one for each node, with what its slowest GPU did. Of very many
// nodes only those that did not pass and some of the slowest. `report` is
// harmless.
std::string NodeTable(const FabricReport& report, bool colour);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_VIEW_NODE_TABLE_H_
