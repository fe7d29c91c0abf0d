// A step's results, held against what they should be.
#ifndef MUSTER_LAUNCHER_FABRIC_JUDGE_H_
#define MUSTER_LAUNCHER_FABRIC_JUDGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "launcher/fabric/phase.h"
#include "launcher/fabric/tested_node.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// By what a test is judged.
struct Scale {
  FabricKind kind = FABRIC_GLOO;
  FabricSettings settings;
  // Figures mean nothing, and why: "the nodes share their GPUs"; "" they do.
  std::string no_figures;
};

// What the outcomes are of.
struct Occasion {
  FabricPhase phase = FABRIC_PHASE_UNSPECIFIED;
  uint32_t round = 0;
  std::string what;  // the step's, for people
};

// Pure. Of every outcome: whether it failed, is slow by the hardware's figures,
// by the user's, or beside others, or passed. The others are tests of so many
// slots of the same hardware in the same phase: those of this step, and of
// `earlier` rounds those that passed, lest suspects that are tested again and
// again become the measure of all.
//
// The record of a slow test says WARN, or FAIL where slowness fails (--strict)
// and the limit is not one that only warns.
std::vector<JudgedTest> Judge(
    const TestedNodes& nodes, const Scale& scale, const Occasion& occasion,
    const google::protobuf::RepeatedPtrField<FabricTest>& earlier,
    const std::vector<GroupOutcome>& outcomes);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_JUDGE_H_
