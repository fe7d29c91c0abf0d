#include "launcher/fabric/local_phase.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "launcher/fabric/finding.h"

namespace muster::fabric {

LocalPhase::LocalPhase(const TestedNodes& nodes, FabricKind kind)
    : nodes_(nodes), kind_(kind) {}

Step LocalPhase::Next() {
  Step step;
  if (!std::exchange(begun_, true)) {
    step.what = "each node's GPUs together";
    for (const uint32_t node : GoodNodes(nodes_)) {
      if (nodes_[node].slots < 2) continue;
      tested_.insert(node);
      FabricGroup& group = step.groups.emplace_back();
      for (uint32_t gpu = 0; gpu < nodes_[node].slots; ++gpu) {
        *group.add_members() = SlotOf(node, gpu);
      }
    }
    return step;
  }
  step.what = "pairs of GPUs in the nodes that failed";
  for (auto& [node, suspect] : suspects_) {
    for (const Pair& pair : suspect.isolation->Next()) {
      FabricGroup& group = step.groups.emplace_back();
      *group.add_members() = SlotOf(node, pair.a);
      *group.add_members() = SlotOf(node, pair.b);
    }
  }
  return step;
}

void LocalPhase::Take(uint32_t, const std::vector<JudgedTest>& tests) {
  nvls_.Take(tests);
  for (const JudgedTest& test : tests) {
    const uint32_t node = test.record.members(0).node();
    const auto suspect = suspects_.find(node);
    if (suspect != suspects_.end()) {
      suspect->second.isolation->Record(
          {{test.record.members(0).gpu(), test.record.members(1).gpu()},
           {test.verdict}});
      suspect->second.tests.push_back(test.record);
    } else if (test.verdict != Outcome::kPass && nodes_[node].good) {
      Suspect fresh;
      fresh.together = test;
      Isolation::Options options;
      options.rails.assign(nodes_[node].slots, 1);
      // One pair of GPUs may have a link of its own.
      options.exhaustive = true;
      fresh.isolation = std::make_unique<Isolation>(std::move(options));
      suspects_.emplace(node, std::move(fresh));
    }
  }
}

void LocalPhase::Lost(uint32_t node) {
  suspects_.erase(node);
  tested_.erase(node);
}

std::vector<FabricFinding> LocalPhase::Findings() const {
  std::vector<FabricFinding> findings;
  for (const auto& [node, suspect] : suspects_) {
    AddFindings(node, suspect, &findings);
  }
  if (!NothingWorks(findings)) {
    nvls_.AddFindings(nodes_, &findings);
    return findings;
  }
  FabricFinding finding = NewFinding(id(), FABRIC_CULPRIT_FABRIC,
                                     Severity::kHard, Confidence::kAmbiguous);
  finding.set_message(
      "the GPUs of a node work together on no node: the cause is what the "
      "nodes share (image, driver, NCCL, settings), and nobody can be blamed");
  finding.set_next(findings[0].next());
  std::vector<const FabricTest*> tests;
  for (const auto& [node, suspect] : suspects_) {
    tests.push_back(&suspect.together.record);
  }
  AddEvidence(nodes_, kind_, tests, &finding);
  return {finding};
}

bool LocalPhase::NothingWorks(
    const std::vector<FabricFinding>& findings) const {
  return suspects_.size() > 1 && suspects_.size() == tested_.size() &&
         std::all_of(findings.begin(), findings.end(),
                     [](const FabricFinding& finding) {
                       return finding.culprit() == FABRIC_CULPRIT_NODE &&
                              finding.verdict() == FABRIC_VERDICT_FAIL;
                     });
}

void LocalPhase::AddFindings(uint32_t node, const Suspect& suspect,
                             std::vector<FabricFinding>* findings) const {
  const auto together_severity = suspect.together.verdict == Outcome::kFail
                                     ? Severity::kHard
                                     : Severity::kSlow;
  const std::string& host = nodes_[node].host;
  const auto tests_of = [&](const Blame& blame) {
    std::vector<const FabricTest*> tests = {&suspect.together.record};
    for (const FabricTest& test : suspect.tests) {
      const auto involves = [&](const Slot& slot) {
        return std::find(blame.units.begin(), blame.units.end(), slot.gpu()) !=
               blame.units.end();
      };
      const bool both = involves(test.members(0)) && involves(test.members(1));
      const bool any = involves(test.members(0)) || involves(test.members(1));
      const bool concerned = blame.units.size() == 1 ? any : both;
      if (concerned || blame.units.empty()) {
        tests.push_back(&test);
      }
    }
    return tests;
  };
  bool explained = false;
  for (const Blame& blame : suspect.isolation->Result()) {
    const bool alone =
        blame.what == Blame::What::kUnit || blame.what == Blame::What::kRail;
    const bool link = blame.what == Blame::What::kLink;
    if (blame.what == Blame::What::kTransient) continue;
    explained = explained || blame.severity >= together_severity;
    FabricFinding finding =
        NewFinding(id(),
                   alone  ? FABRIC_CULPRIT_GPU
                   : link ? FABRIC_CULPRIT_LINK
                          : FABRIC_CULPRIT_NODE,
                   blame.severity,
                   alone || link ? blame.confidence : Confidence::kConfirmed);
    finding.add_nodes(node);
    for (const uint32_t gpu : blame.units) {
      *finding.add_gpus() = SlotOf(node, gpu);
    }
    const char* how = blame.severity == Severity::kHard ? "fails" : "is slow";
    if (alone) {
      finding.set_device(DeviceOf(nodes_[node], blame.units[0]));
      finding.set_message(absl::StrCat(host, " GPU ", blame.units[0], " ", how,
                                       " with the other GPUs of its node"));
      finding.set_next(
          absl::StrCat("on ", host, ": nvidia-smi -q -i ", blame.units[0],
                       "; nvidia-smi nvlink -s -i ", blame.units[0]));
    } else if (link) {
      finding.set_message(absl::StrCat(
          "on ", host, " the link between GPU ", blame.units[0], " and GPU ",
          blame.units[1], " ", how, "; each works with the others"));
      finding.set_next(absl::StrCat("on ", host,
                                    ": nvidia-smi topo -m; nvidia-smi nvlink "
                                    "-s; look for ACS on PCI bridges"));
    } else if (!blame.parts.empty()) {
      const auto text = [](std::string* out,
                           const std::vector<uint32_t>& part) {
        absl::StrAppend(out, absl::StrJoin(part, ", "));
      };
      finding.set_message(absl::StrCat(
          "the GPUs of ", host, " are in ", blame.parts.size(),
          " parts, each of them well, and no pair across them ",
          blame.severity == Severity::kHard ? "works" : "is fast enough", ": ",
          absl::StrJoin(blame.parts, " | ", text)));
      finding.set_next(absl::StrCat("on ", host,
                                    ": nvidia-smi topo -m; look for ACS on PCI "
                                    "bridges and for the processors' link"));
    } else {
      finding.set_message(absl::StrCat(
          "on ", host, " no pair of GPUs ",
          blame.severity == Severity::kHard ? "works" : "is fast enough"));
      finding.set_next(
          absl::StrCat("on ", host,
                       ": systemctl status nvidia-fabricmanager; nvidia-smi "
                       "topo -m; df -h /dev/shm; ulimit -l"));
    }
    AddEvidence(nodes_, kind_, tests_of(blame), &finding);
    findings->push_back(std::move(finding));
  }
  if (explained) return;
  FabricFinding finding = NewFinding(id(), FABRIC_CULPRIT_NODE,
                                     together_severity, Confidence::kConfirmed);
  finding.add_nodes(node);
  finding.set_message(
      absl::StrCat("the GPUs of ", host,
                   together_severity == Severity::kHard ? " fail" : " are slow",
                   " together, though every pair of them is well"));
  finding.set_next(absl::StrCat(
      "on ", host, ": muster check --nnodes 1 --fabric-check nccl"));
  AddEvidence(nodes_, kind_, {&suspect.together.record}, &finding);
  findings->push_back(std::move(finding));
}

}  // namespace muster::fabric
