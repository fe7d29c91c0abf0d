// The GPUs of each node together.
#ifndef MUSTER_LAUNCHER_FABRIC_LOCAL_PHASE_H_
#define MUSTER_LAUNCHER_FABRIC_LOCAL_PHASE_H_

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "launcher/fabric/isolation.h"
#include "launcher/fabric/nvlink_check.h"
#include "launcher/fabric/phase.h"

namespace muster::fabric {

// First every node's GPUs in one group; then, where that was not well, pairs
// of them, every one with every other, until it is known which. All nodes at
// the same time.
class LocalPhase final : public Phase {
 public:
  LocalPhase(const TestedNodes& nodes, FabricKind kind);

  FabricPhase id() const override { return FABRIC_PHASE_LOCAL; }
  Step Next() override;
  void Take(uint32_t round, const std::vector<JudgedTest>& tests) override;
  void Lost(uint32_t node) override;
  std::vector<FabricFinding> Findings() const override;

 private:
  // One whose GPUs together were not well.
  struct Suspect {
    JudgedTest together;
    std::unique_ptr<Isolation> isolation;
    std::vector<FabricTest> tests;  // of its pairs
  };

  // All that were tested have failed, and none by a GPU or a link of its own.
  bool NothingWorks(const std::vector<FabricFinding>& findings) const;
  void AddFindings(uint32_t node, const Suspect& suspect,
                   std::vector<FabricFinding>* findings) const;

  const TestedNodes& nodes_;
  const FabricKind kind_;
  bool begun_ = false;
  std::set<uint32_t> tested_;             // nodes that were not lost
  std::map<uint32_t, Suspect> suspects_;  // by node
  NvlsCheck nvls_;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_LOCAL_PHASE_H_
