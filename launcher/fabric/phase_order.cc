#include "launcher/fabric/phase_order.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "launcher/fabric/local_phase.h"
#include "launcher/fabric/network_phase.h"
#include "launcher/fabric/solo_phase.h"
#include "launcher/fabric/world_phase.h"

namespace muster::fabric {
namespace {

// All together only where that is soon done: each member speaks to each.
constexpr size_t kGpuWorldNodes = 64;
constexpr size_t kGlooWorldNodes = 16;

// Between nodes that take part all the same.
bool IsBroken(const FabricReport& so_far) {
  return std::any_of(so_far.findings().begin(), so_far.findings().end(),
                     [](const FabricFinding& finding) {
                       return finding.verdict() == FABRIC_VERDICT_FAIL &&
                              finding.phase() == FABRIC_PHASE_NETWORK &&
                              finding.culprit() != FABRIC_CULPRIT_NODE &&
                              finding.culprit() != FABRIC_CULPRIT_CONFIG &&
                              finding.culprit() != FABRIC_CULPRIT_RAIL;
                     });
}

// What fails for all nodes fails them in all that follows.
bool IsHopeless(const FabricReport& so_far) {
  return std::any_of(so_far.findings().begin(), so_far.findings().end(),
                     [](const FabricFinding& finding) {
                       return finding.verdict() == FABRIC_VERDICT_FAIL &&
                              finding.culprit() == FABRIC_CULPRIT_FABRIC;
                     });
}

}  // namespace

std::unique_ptr<Phase> MakePhase(FabricPhase phase, const TestedNodes& nodes,
                                 const Scale& scale,
                                 const FabricReport& so_far) {
  if (IsHopeless(so_far)) return nullptr;
  const std::vector<uint32_t> good = GoodNodes(nodes);
  const bool gpus = HasGpus(scale.kind);
  switch (phase) {
    case FABRIC_PHASE_SOLO:
      if (!gpus) return nullptr;
      return std::make_unique<SoloPhase>(nodes, scale.kind);
    case FABRIC_PHASE_LOCAL:
      if (!gpus) return nullptr;
      return std::make_unique<LocalPhase>(nodes, scale.kind);
    case FABRIC_PHASE_NETWORK:
      if (good.size() < 2) return nullptr;
      return std::make_unique<NetworkPhase>(nodes, scale.kind, scale.settings);
    case FABRIC_PHASE_WORLD: {
      if (good.size() < 2) return nullptr;
      // Two nodes of one slot each have done just that.
      const bool done = good.size() == 2 && nodes[good[0]].slots == 1 &&
                        nodes[good[1]].slots == 1;
      const size_t most = gpus ? kGpuWorldNodes : kGlooWorldNodes;
      if (done || IsBroken(so_far) || good.size() > most) return nullptr;
      return std::make_unique<WorldPhase>(nodes, scale.kind);
    }
    default:
      return nullptr;
  }
}

}  // namespace muster::fabric
