#include "launcher/fabric/world_phase.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "launcher/fabric/finding.h"

namespace muster::fabric {

Step WorldPhase::Next() {
  if (std::exchange(begun_, true)) return {};
  Step step{"all together", {}};
  FabricGroup& group = step.groups.emplace_back();
  for (const uint32_t node : GoodNodes(nodes_)) {
    for (uint32_t gpu = 0; gpu < nodes_[node].slots; ++gpu) {
      *group.add_members() = SlotOf(node, gpu);
    }
  }
  return step;
}

void WorldPhase::Take(uint32_t, const std::vector<JudgedTest>& tests) {
  if (tests[0].verdict != Outcome::kPass) bad_ = tests[0];
}

std::vector<FabricFinding> WorldPhase::Findings() const {
  if (!bad_) return {};
  const FabricTest& test = bad_->record;
  const FabricFailure& failure = test.failure();
  const Slot& failed = test.members(static_cast<int>(test.failed_rank()));
  if (!nodes_[failed.node()].lost.empty()) return {};
  const bool hard = bad_->verdict == Outcome::kFail;
  const bool own = failure.kind() == FABRIC_FAILURE_CRASHED ||
                   failure.kind() == FABRIC_FAILURE_STOPPED ||
                   failure.kind() == FABRIC_FAILURE_NO_PROBE;
  FabricFinding finding =
      NewFinding(id(), own ? FABRIC_CULPRIT_NODE : FABRIC_CULPRIT_FABRIC,
                 hard ? Severity::kHard : Severity::kSlow,
                 own ? Confidence::kProbable : Confidence::kAmbiguous);
  if (own) {
    finding.add_nodes(failed.node());
    finding.set_message(
        absl::StrCat(nodes_[failed.node()].host,
                     " failed when all ran together: ", FailureText(failure)));
    finding.set_next(absl::StrCat("look at ", nodes_[failed.node()].host,
                                  " and its agent's log"));
  } else {
    finding.set_message(absl::StrCat(
        "all nodes together ", hard ? "fail" : "are slow",
        ", though every pair that was tried is well: the cause is what they "
        "share, and nobody can be blamed"));
    finding.set_next(
        "run muster check --exhaustive, which tries every pair of nodes");
  }
  AddEvidence(nodes_, kind_, {&test}, &finding);
  return {finding};
}

}  // namespace muster::fabric
