// What the phases of the self-test have in common.
#ifndef MUSTER_LAUNCHER_FABRIC_PHASE_H_
#define MUSTER_LAUNCHER_FABRIC_PHASE_H_

#include <string>
#include <vector>

#include "launcher/fabric/blame.h"
#include "launcher/fabric/test_round.h"
#include "launcher/fabric/tested_node.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// A group's test, over and held against its limits.
struct JudgedTest {
  GroupOutcome outcome;
  Outcome verdict = Outcome::kPass;
  FabricTest record;
};

// What a phase wants tested next.
struct Step {
  std::string what;  // for people: "neighbours"
  // Each with its members alone; no two groups share one. None: it is over.
  std::vector<FabricGroup> groups;
};

// Pure: one part of the test. Asked in turn for its next step and told what
// came of it; says at the end what it has found. A phase has at most one step
// on its way.
// Life cycle: Next and Take by turns until Next has no groups; then Findings.
// Ownership: the nodes must outlive it.
class Phase {
 public:
  virtual ~Phase() = default;

  virtual FabricPhase id() const = 0;
  virtual Step Next() = 0;
  // By the order of the step's groups.
  virtual void Take(uint32_t round, const std::vector<JudgedTest>& tests) = 0;
  // The node is gone; nothing that it did proves anything any more.
  virtual void Lost(uint32_t node) = 0;
  virtual std::vector<FabricFinding> Findings() const = 0;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_PHASE_H_
