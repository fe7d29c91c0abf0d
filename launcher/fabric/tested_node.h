// A node as the self-test sees it.
#ifndef MUSTER_LAUNCHER_FABRIC_TESTED_NODE_H_
#define MUSTER_LAUNCHER_FABRIC_TESTED_NODE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/fabric.pb.h"
#include "rendezvous/liveness.h"

namespace muster::fabric {

struct TestedNode {
  rendezvous::SessionId session = 0;
  std::string host;
  std::string address;
  std::optional<FabricInventory> inventory;
  uint32_t slots = 0;  // its GPUs under NCCL, 1 under Gloo
  bool good = true;    // takes part in what follows
  std::string lost;    // why; "" where it is not

  // The GPU's facts; null where there are none.
  const GpuFacts* Gpu(uint32_t gpu) const;
};

// By index in the test.
using TestedNodes = std::vector<TestedNode>;

// The test's library: NCCL, or Gloo, under which a node has one slot.
bool HasGpus(FabricKind kind);

// "host3", "host3 GPU 1".
std::string NameOf(const TestedNodes& nodes, const Slot& slot, FabricKind kind);

Slot SlotOf(uint32_t node, uint32_t gpu);

// Indices of the nodes that take part, ascending.
std::vector<uint32_t> GoodNodes(const TestedNodes& nodes);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_TESTED_NODE_H_
