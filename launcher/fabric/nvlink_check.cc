#include "launcher/fabric/nvlink_check.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "launcher/fabric/finding.h"

namespace muster::fabric {
namespace {

constexpr char kCompleted[] = "completed";
constexpr uint32_t kHopper = 90;  // the first that reduces in switches

// What NCCL writes where it fails for that.
constexpr char kBindFailed[] = "NVLink SHARP";

bool CanReduceInSwitches(const GpuFacts& gpu) {
  return gpu.capability() >= kHopper && gpu.fabric_state() == kCompleted &&
         gpu.nvlinks() > 0 && !gpu.mig();
}

// "" where it says nothing against it.
std::string ReasonOf(const SlotResult& result) {
  if (result.measured().nvls() == FABRIC_NVLS_MISSING) {
    return result.measured().nvls_reason();
  }
  for (const std::string& line : result.failed().log_tail()) {
    if (absl::StrContains(line, kBindFailed)) return line;
  }
  return "";
}

}  // namespace

void CheckSwitches(const TestedNodes& nodes, uint32_t node,
                   std::vector<FabricFinding>* findings) {
  const TestedNode& tested = nodes[node];
  const auto& gpus = tested.inventory->gpus();
  FabricFinding finding =
      NewFinding(FABRIC_PHASE_INVENTORY, FABRIC_CULPRIT_CONFIG, Severity::kSlow,
                 Confidence::kConfirmed);
  finding.add_nodes(node);
  std::vector<std::string> states;
  for (const GpuFacts& gpu : gpus) {
    if (gpu.fabric_state().empty() || gpu.fabric_state() == kCompleted) {
      continue;
    }
    if (gpus.size() == 1 && gpu.nvlinks() == 0) continue;
    *finding.add_gpus() = SlotOf(node, gpu.gpu());
    states.push_back(absl::StrCat("GPU ", gpu.gpu(), " ", gpu.fabric_state()));
  }
  if (states.empty()) return;
  if (finding.gpus_size() == gpus.size()) finding.clear_gpus();
  finding.set_message(absl::StrCat(
      "the NVSwitch fabric of ", tested.host, " is not set up (",
      absl::StrJoin(states, ", "),
      "): CUDA may fail on it, and in-switch reduction does not work"));
  finding.set_next(absl::StrCat(
      "on ", tested.host,
      ": systemctl status nvidia-fabricmanager; nvidia-smi -q | grep -A 3 "
      "Fabric; a GPU that was in use when it was started again needs a reset"));
  findings->push_back(std::move(finding));
}

void NvlsCheck::Take(const std::vector<JudgedTest>& tests) {
  for (const JudgedTest& test : tests) {
    for (const SlotResult& result : test.outcome.results) {
      std::string reason = ReasonOf(result);
      if (reason.empty()) continue;
      missing_.try_emplace(
          test.outcome.group.members(0).node(),
          Missing{std::move(reason), result.has_failed() ? result.log() : ""});
    }
  }
}

void NvlsCheck::AddFindings(const TestedNodes& nodes,
                            std::vector<FabricFinding>* findings) const {
  for (const auto& [node, missing] : missing_) {
    const TestedNode& tested = nodes[node];
    if (!tested.inventory || !tested.lost.empty()) continue;
    bool all_can = true;
    for (const GpuFacts& gpu : tested.inventory->gpus()) {
      all_can = all_can && CanReduceInSwitches(gpu);
    }
    // What it lacks it need not have, or is known from the inventory.
    if (!all_can) continue;
    FabricFinding finding =
        NewFinding(FABRIC_PHASE_LOCAL, FABRIC_CULPRIT_CONFIG, Severity::kSlow,
                   Confidence::kConfirmed);
    finding.add_nodes(node);
    finding.set_message(absl::StrCat(
        "in-switch reduction (NVLS) does not work on ", tested.host,
        ", which makes its GPUs slower together: ", missing.reason));
    if (!missing.log.empty()) {
      finding.add_evidence(
          absl::StrCat("log ", missing.log, " of ", tested.host));
    }
    finding.set_next(absl::StrCat(
        "on ", tested.host,
        ": systemctl status nvidia-fabricmanager; journalctl -u "
        "nvidia-fabricmanager; NCCL_NVLS_ENABLE=0 does without it"));
    findings->push_back(std::move(finding));
  }
}

}  // namespace muster::fabric
