#include "launcher/fabric/tested_node.h"

#include "absl/strings/str_cat.h"

namespace muster::fabric {

const GpuFacts* TestedNode::Gpu(uint32_t gpu) const {
  if (!inventory) return nullptr;
  for (const GpuFacts& facts : inventory->gpus()) {
    if (facts.gpu() == gpu) return &facts;
  }
  return nullptr;
}

bool HasGpus(FabricKind kind) { return kind == FABRIC_NCCL; }

std::string NameOf(const TestedNodes& nodes, const Slot& slot,
                   FabricKind kind) {
  const std::string& host = nodes[slot.node()].host;
  return HasGpus(kind) ? absl::StrCat(host, " GPU ", slot.gpu()) : host;
}

Slot SlotOf(uint32_t node, uint32_t gpu) {
  Slot slot;
  slot.set_node(node);
  slot.set_gpu(gpu);
  return slot;
}

std::vector<uint32_t> GoodNodes(const TestedNodes& nodes) {
  std::vector<uint32_t> good;
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].good) good.push_back(i);
  }
  return good;
}

}  // namespace muster::fabric
