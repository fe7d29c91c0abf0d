#include "launcher/fabric/solo_phase.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "launcher/fabric/finding.h"

namespace muster::fabric {

Step SoloPhase::Next() {
  Step step;
  if (steps_ == 0) {
    step.what = "every GPU by itself";
    for (const uint32_t node : GoodNodes(nodes_)) {
      for (uint32_t gpu = 0; gpu < nodes_[node].slots; ++gpu) {
        *step.groups.emplace_back().add_members() = SlotOf(node, gpu);
      }
    }
  } else if (steps_ == 1) {
    step.what = "the slow ones again";
    for (const Bad& bad : bad_) {
      if (bad.verdict == Outcome::kFail || !nodes_[bad.slot.node()].good) {
        continue;
      }
      *step.groups.emplace_back().add_members() = bad.slot;
    }
  }
  ++steps_;
  return step;
}

void SoloPhase::Take(uint32_t, const std::vector<JudgedTest>& tests) {
  for (const JudgedTest& test : tests) {
    any_works_ = any_works_ || test.verdict != Outcome::kFail;
    const Slot& slot = test.record.members(0);
    const auto known =
        std::find_if(bad_.begin(), bad_.end(), [&slot](const Bad& bad) {
          return bad.slot.node() == slot.node() && bad.slot.gpu() == slot.gpu();
        });
    if (known == bad_.end()) {
      if (test.verdict == Outcome::kPass) continue;
      bad_.push_back({slot, test.verdict, {test.record}});
    } else if (test.verdict == Outcome::kPass) {
      bad_.erase(known);
    } else {
      known->verdict = test.verdict;
      known->tests.push_back(test.record);
    }
  }
}

std::vector<FabricFinding> SoloPhase::Findings() const {
  std::set<uint32_t> failed;
  std::vector<FabricFinding> findings;
  for (const Bad& bad : bad_) {
    if (!nodes_[bad.slot.node()].lost.empty()) continue;
    failed.insert(bad.slot.node());
    findings.push_back(Describe(bad));
  }
  if (!any_works_ && failed.size() > 1) return {NothingWorks()};
  return findings;
}

FabricFinding SoloPhase::Describe(const Bad& bad) const {
  const TestedNode& node = nodes_[bad.slot.node()];
  const bool hard = bad.verdict == Outcome::kFail;
  FabricFinding finding = NewFinding(id(), FABRIC_CULPRIT_GPU,
                                     hard ? Severity::kHard : Severity::kSlow,
                                     Confidence::kConfirmed);
  finding.add_nodes(bad.slot.node());
  *finding.add_gpus() = bad.slot;
  finding.set_device(DeviceOf(node, bad.slot.gpu()));
  const std::string name = NameOf(nodes_, bad.slot, kind_);
  finding.set_message(
      hard ? absl::StrCat(name, " fails by itself: ",
                          FailureText(bad.tests.back().failure()))
           : absl::StrCat(name, " is slow by itself"));
  finding.set_next(absl::StrCat("on ", node.host, ": nvidia-smi -q -i ",
                                bad.slot.gpu(), "; dmesg | grep -i xid"));
  std::vector<const FabricTest*> tests;
  for (const FabricTest& test : bad.tests) tests.push_back(&test);
  AddEvidence(nodes_, kind_, tests, &finding);
  return finding;
}

FabricFinding SoloPhase::NothingWorks() const {
  FabricFinding finding = NewFinding(id(), FABRIC_CULPRIT_FABRIC,
                                     Severity::kHard, Confidence::kAmbiguous);
  finding.set_message(
      "no GPU of any node works by itself: the cause is what they share "
      "(image, driver, NCCL, settings), and nobody can be blamed");
  finding.set_next(
      "on any of the nodes: nvidia-smi; and look at what the "
      "failures below say");
  std::vector<const FabricTest*> tests;
  for (const Bad& bad : bad_) tests.push_back(&bad.tests.back());
  AddEvidence(nodes_, kind_, tests, &finding);
  return finding;
}

}  // namespace muster::fabric
