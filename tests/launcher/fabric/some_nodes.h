// Nodes, and results of tests of theirs, as phases and judges see them.
#ifndef MUSTER_TESTS_LAUNCHER_FABRIC_SOME_NODES_H_
#define MUSTER_TESTS_LAUNCHER_FABRIC_SOME_NODES_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "launcher/fabric/phase.h"
#include "launcher/fabric/tested_node.h"

namespace muster::fabric::test {

// "host0", ... with `gpus` each, or one slot without.
inline TestedNodes SomeNodes(uint32_t count, uint32_t gpus) {
  TestedNodes nodes(count);
  for (uint32_t i = 0; i < count; ++i) {
    nodes[i].host = absl::StrCat("host", i);
    nodes[i].address = absl::StrCat("10.0.0.", i + 1);
    nodes[i].slots = gpus > 0 ? gpus : 1;
    FabricInventory& inventory = nodes[i].inventory.emplace();
    inventory.set_boot_id(absl::StrCat("boot", i));
    inventory.set_memlock_bytes(UINT64_MAX);
    if (gpus == 0) continue;
    inventory.set_driver("550.54");
    inventory.set_nccl_version(22809);
    for (uint32_t gpu = 0; gpu < gpus; ++gpu) {
      GpuFacts& facts = *inventory.add_gpus();
      facts.set_gpu(gpu);
      facts.set_uuid(absl::StrCat("GPU-", i, "-", gpu));
      facts.set_name("NVIDIA A100");
    }
  }
  return nodes;
}

// The group's test with that verdict, as the judge would tell it; a failure is
// a timeout of the first member's.
inline JudgedTest JudgedOf(const FabricGroup& group, FabricPhase phase,
                           Outcome verdict) {
  JudgedTest test;
  test.outcome.group = group;
  test.verdict = verdict;
  test.record.set_phase(phase);
  test.record.set_round(1);
  *test.record.mutable_members() = group.members();
  switch (verdict) {
    case Outcome::kPass:
      test.record.set_verdict(FABRIC_VERDICT_PASS);
      break;
    case Outcome::kSlow:
      test.record.set_verdict(FABRIC_VERDICT_WARN);
      break;
    case Outcome::kFail:
      test.record.set_verdict(FABRIC_VERDICT_FAIL);
      test.record.mutable_failure()->set_kind(FABRIC_FAILURE_TIMEOUT);
      break;
  }
  return test;
}

// Runs the phase to its end. `outcome` says what becomes of a group. Returns
// how many steps there were.
inline uint32_t DrivePhase(
    Phase* phase, const std::function<Outcome(const FabricGroup&)>& outcome) {
  uint32_t steps = 0;
  for (Step step = phase->Next(); !step.groups.empty(); step = phase->Next()) {
    ++steps;
    std::vector<JudgedTest> tests;
    for (const FabricGroup& group : step.groups) {
      tests.push_back(JudgedOf(group, phase->id(), outcome(group)));
    }
    phase->Take(steps, tests);
  }
  return steps;
}

inline bool HasSlot(const FabricGroup& group, uint32_t node, uint32_t gpu) {
  for (const Slot& slot : group.members()) {
    if (slot.node() == node && slot.gpu() == gpu) return true;
  }
  return false;
}

}  // namespace muster::fabric::test

#endif  // MUSTER_TESTS_LAUNCHER_FABRIC_SOME_NODES_H_
