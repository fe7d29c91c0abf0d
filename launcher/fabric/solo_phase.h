// Every GPU by itself.
#ifndef MUSTER_LAUNCHER_FABRIC_SOLO_PHASE_H_
#define MUSTER_LAUNCHER_FABRIC_SOLO_PHASE_H_

#include <cstdint>
#include <vector>

#include "launcher/fabric/phase.h"

namespace muster::fabric {

// The memory of every GPU of every node that takes part, and of those that were
// slow once more: it is slow that is so twice. What fails here is the GPU, its
// driver or its node: nobody else was there. But where all GPUs of several
// nodes fail it is what they share.
class SoloPhase final : public Phase {
 public:
  SoloPhase(const TestedNodes& nodes, FabricKind kind)
      : nodes_(nodes), kind_(kind) {}

  FabricPhase id() const override { return FABRIC_PHASE_SOLO; }
  Step Next() override;
  void Take(uint32_t round, const std::vector<JudgedTest>& tests) override;
  void Lost(uint32_t) override {}
  std::vector<FabricFinding> Findings() const override;

 private:
  // A GPU that is not well, with its tests in their order.
  struct Bad {
    Slot slot;
    Outcome verdict = Outcome::kPass;
    std::vector<FabricTest> tests;
  };

  FabricFinding Describe(const Bad& bad) const;
  FabricFinding NothingWorks() const;

  const TestedNodes& nodes_;
  const FabricKind kind_;
  uint32_t steps_ = 0;
  bool any_works_ = false;
  std::vector<Bad> bad_;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_SOLO_PHASE_H_
