// What the nodes' inventories say before anything runs.
#ifndef MUSTER_LAUNCHER_FABRIC_INVENTORY_CHECK_H_
#define MUSTER_LAUNCHER_FABRIC_INVENTORY_CHECK_H_

#include <string>
#include <vector>

#include "launcher/fabric/tested_node.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// Which library is to test, and why.
struct KindChoice {
  FabricKind kind = FABRIC_OFF;
  std::string why;
  // Where it was asked for and no node can: why the test fails for all.
  std::string problem;
};

// Pure. Nodes that were lost, or have no inventory, say nothing. Auto means
// NCCL where at least half of the nodes have GPUs, else Gloo where there are
// several nodes; and nothing, with the reason, where the library is nowhere to
// be had.
KindChoice ChooseKind(const TestedNodes& nodes, const FabricSettings& settings);

// What is wrong with a node, or differs from the majority's. Where there is no
// majority nobody is blamed, except for fewer GPUs than others have.
std::vector<FabricFinding> CompareInventories(const TestedNodes& nodes,
                                              FabricKind kind);

// Whether two nodes have the same GPU, as simulated ones do: NCCL must be told
// that they are two hosts, and no figure means anything.
bool ShareGpus(const TestedNodes& nodes);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_INVENTORY_CHECK_H_
