// All nodes together.
#ifndef MUSTER_LAUNCHER_FABRIC_WORLD_PHASE_H_
#define MUSTER_LAUNCHER_FABRIC_WORLD_PHASE_H_

#include <optional>
#include <vector>

#include "launcher/fabric/phase.h"

namespace muster::fabric {

// One step: every slot of every node that takes part, with the library's own
// choice of algorithm.
class WorldPhase final : public Phase {
 public:
  WorldPhase(const TestedNodes& nodes, FabricKind kind)
      : nodes_(nodes), kind_(kind) {}

  FabricPhase id() const override { return FABRIC_PHASE_WORLD; }
  Step Next() override;
  void Take(uint32_t round, const std::vector<JudgedTest>& tests) override;
  void Lost(uint32_t) override {}
  std::vector<FabricFinding> Findings() const override;

 private:
  const TestedNodes& nodes_;
  const FabricKind kind_;
  bool begun_ = false;
  std::optional<JudgedTest> bad_;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_WORLD_PHASE_H_
