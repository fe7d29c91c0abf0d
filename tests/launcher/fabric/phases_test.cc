// Each phase by itself: what it asks for, and what it finds.
#include <set>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/fabric/local_phase.h"
#include "launcher/fabric/network_phase.h"
#include "launcher/fabric/phase_order.h"
#include "launcher/fabric/phase_settings.h"
#include "launcher/fabric/solo_phase.h"
#include "launcher/fabric/world_phase.h"
#include "tests/launcher/fabric/some_nodes.h"

namespace muster::fabric {
namespace {

using test::DrivePhase;
using test::HasSlot;
using test::JudgedOf;
using test::SomeNodes;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Outcome Pass(const FabricGroup&) { return Outcome::kPass; }

// ---- solo ----

TEST(SoloPhase, TestsEveryGpuOfTheNodesThatTakePart) {
  TestedNodes nodes = SomeNodes(3, 2);
  nodes[1].good = false;
  SoloPhase phase(nodes, FABRIC_NCCL);
  const Step step = phase.Next();
  ASSERT_EQ(step.groups.size(), 4);
  for (const FabricGroup& group : step.groups) {
    EXPECT_EQ(group.members_size(), 1);
    EXPECT_NE(group.members(0).node(), 1);
  }
  EXPECT_THAT(phase.Next().groups, IsEmpty());
  EXPECT_THAT(phase.Findings(), IsEmpty());
}

TEST(SoloPhase, WhatWasSlowOnceIsTestedAgainAndForgivenWhereItIsNotSlow) {
  const TestedNodes nodes = SomeNodes(2, 2);
  SoloPhase phase(nodes, FABRIC_NCCL);
  int tests = 0;
  DrivePhase(&phase, [&tests](const FabricGroup& group) {
    ++tests;
    if (HasSlot(group, 0, 0) && tests <= 4) return Outcome::kSlow;
    return HasSlot(group, 1, 1) ? Outcome::kSlow : Outcome::kPass;
  });
  EXPECT_EQ(tests, 6);
  const std::vector<FabricFinding> findings = phase.Findings();
  ASSERT_EQ(findings.size(), 1);
  EXPECT_EQ(findings[0].message(), "host1 GPU 1 is slow by itself");
  EXPECT_EQ(findings[0].evidence_size(), 2);
}

TEST(SoloPhase, NamesTheGpuWithItsDevice) {
  const TestedNodes nodes = SomeNodes(2, 2);
  SoloPhase phase(nodes, FABRIC_NCCL);
  DrivePhase(&phase, [](const FabricGroup& group) {
    if (HasSlot(group, 1, 0)) return Outcome::kFail;
    return HasSlot(group, 0, 1) ? Outcome::kSlow : Outcome::kPass;
  });
  const std::vector<FabricFinding> findings = phase.Findings();
  ASSERT_EQ(findings.size(), 2);
  EXPECT_EQ(findings[0].verdict(), FABRIC_VERDICT_WARN);
  EXPECT_EQ(findings[0].message(), "host0 GPU 1 is slow by itself");
  EXPECT_EQ(findings[1].verdict(), FABRIC_VERDICT_FAIL);
  EXPECT_EQ(findings[1].culprit(), FABRIC_CULPRIT_GPU);
  EXPECT_EQ(findings[1].confidence(), FABRIC_CONFIDENCE_CONFIRMED);
  EXPECT_EQ(findings[1].device(), "GPU-1-0");
  EXPECT_THAT(findings[1].message(), HasSubstr("host1 GPU 0 fails by itself"));
}

TEST(SoloPhase, SaysNothingOfANodeThatWasLost) {
  TestedNodes nodes = SomeNodes(2, 1);
  SoloPhase phase(nodes, FABRIC_NCCL);
  DrivePhase(&phase, [](const FabricGroup&) { return Outcome::kFail; });
  nodes[0].lost = "gone";
  const std::vector<FabricFinding> findings = phase.Findings();
  ASSERT_EQ(findings.size(), 1);
  EXPECT_THAT(findings[0].nodes(), ElementsAre(1));
}

TEST(SoloPhase, WhereNoGpuOfAnyNodeWorksNobodyIsBlamed) {
  for (const uint32_t count : {1u, 3u}) {
    const TestedNodes nodes = SomeNodes(count, 2);
    SoloPhase phase(nodes, FABRIC_NCCL);
    DrivePhase(&phase, [](const FabricGroup&) { return Outcome::kFail; });
    const std::vector<FabricFinding> findings = phase.Findings();
    EXPECT_EQ(findings.size(), count == 1 ? 2 : 1);
    EXPECT_EQ(findings[0].culprit(),
              count == 1 ? FABRIC_CULPRIT_GPU : FABRIC_CULPRIT_FABRIC);
  }
}

// ---- local ----

TEST(LocalPhase, OneStepIsEnoughWhereAllIsWell) {
  const TestedNodes nodes = SomeNodes(3, 4);
  LocalPhase phase(nodes, FABRIC_NCCL);
  EXPECT_EQ(DrivePhase(&phase, Pass), 1);
  EXPECT_THAT(phase.Findings(), IsEmpty());
}

TEST(LocalPhase, OneGpuHasNobodyToBeTestedWith) {
  const TestedNodes nodes = SomeNodes(3, 1);
  LocalPhase phase(nodes, FABRIC_NCCL);
  EXPECT_EQ(DrivePhase(&phase, Pass), 0);
}

TEST(LocalPhase, OnlyTheNodeThatFailedIsLookedAtCloser) {
  const TestedNodes nodes = SomeNodes(3, 4);
  LocalPhase phase(nodes, FABRIC_NCCL);
  DrivePhase(&phase, [](const FabricGroup& group) {
    if (group.members_size() == 2) {
      EXPECT_EQ(group.members(0).node(), 1);
    }
    return HasSlot(group, 1, 2) ? Outcome::kFail : Outcome::kPass;
  });
  const std::vector<FabricFinding> findings = phase.Findings();
  ASSERT_EQ(findings.size(), 1);
  EXPECT_EQ(findings[0].culprit(), FABRIC_CULPRIT_GPU);
  EXPECT_THAT(findings[0].nodes(), ElementsAre(1));
  EXPECT_EQ(findings[0].gpus(0).gpu(), 2);
}

TEST(LocalPhase, WhereEveryPairIsWellTheNodeIsNamed) {
  const TestedNodes nodes = SomeNodes(1, 8);
  LocalPhase phase(nodes, FABRIC_NCCL);
  std::set<std::pair<uint32_t, uint32_t>> pairs;
  DrivePhase(&phase, [&](const FabricGroup& group) {
    if (group.members_size() > 2) return Outcome::kFail;
    pairs.emplace(group.members(0).gpu(), group.members(1).gpu());
    return Outcome::kPass;
  });
  EXPECT_EQ(pairs.size(), 28);
  const std::vector<FabricFinding> findings = phase.Findings();
  ASSERT_EQ(findings.size(), 1);
  EXPECT_EQ(findings[0].culprit(), FABRIC_CULPRIT_NODE);
  EXPECT_EQ(findings[0].verdict(), FABRIC_VERDICT_FAIL);
  EXPECT_THAT(findings[0].message(), HasSubstr("every pair of them is well"));
}

TEST(LocalPhase, ASlowPairDoesNotExplainThatAllTogetherFail) {
  const TestedNodes nodes = SomeNodes(1, 6);
  LocalPhase phase(nodes, FABRIC_NCCL);
  DrivePhase(&phase, [&](const FabricGroup& group) {
    if (group.members_size() > 2) return Outcome::kFail;
    return HasSlot(group, 0, 0) && HasSlot(group, 0, 5) ? Outcome::kSlow
                                                        : Outcome::kPass;
  });
  const std::vector<FabricFinding> findings = phase.Findings();
  ASSERT_EQ(findings.size(), 2);
  EXPECT_EQ(findings[0].culprit(), FABRIC_CULPRIT_LINK);
  EXPECT_EQ(findings[0].verdict(), FABRIC_VERDICT_WARN);
  EXPECT_EQ(findings[1].culprit(), FABRIC_CULPRIT_NODE);
  EXPECT_EQ(findings[1].verdict(), FABRIC_VERDICT_FAIL);
}

TEST(LocalPhase, WhereNoPairWorksTheNodeIsNamed) {
  for (const uint32_t gpus : {2u, 5u}) {
    const TestedNodes nodes = SomeNodes(2, gpus);
    LocalPhase phase(nodes, FABRIC_NCCL);
    DrivePhase(&phase, [](const FabricGroup& group) {
      return group.members(0).node() == 0 ? Outcome::kFail : Outcome::kPass;
    });
    const std::vector<FabricFinding> findings = phase.Findings();
    ASSERT_EQ(findings.size(), 1);
    EXPECT_EQ(findings[0].culprit(), FABRIC_CULPRIT_NODE);
    EXPECT_EQ(findings[0].message(), "on host0 no pair of GPUs works");
  }
}

TEST(LocalPhase, WhereNoNodesGpusWorkTogetherNobodyIsBlamed) {
  const TestedNodes nodes = SomeNodes(3, 4);
  LocalPhase all(nodes, FABRIC_NCCL);
  DrivePhase(&all, [](const FabricGroup&) { return Outcome::kFail; });
  std::vector<FabricFinding> findings = all.Findings();
  ASSERT_EQ(findings.size(), 1);
  EXPECT_EQ(findings[0].culprit(), FABRIC_CULPRIT_FABRIC);
  EXPECT_EQ(findings[0].evidence_size(), 3);
  // Who was lost tells nothing of what they share.
  TestedNodes lost = SomeNodes(3, 4);
  LocalPhase left(lost, FABRIC_NCCL);
  const Step together = left.Next();
  lost[0].good = false;
  lost[0].lost = "gone";
  left.Lost(0);
  std::vector<JudgedTest> tests;
  for (const FabricGroup& group : together.groups) {
    tests.push_back(JudgedOf(group, left.id(), Outcome::kFail));
  }
  left.Take(1, tests);
  DrivePhase(&left, [](const FabricGroup&) { return Outcome::kFail; });
  findings = left.Findings();
  ASSERT_EQ(findings.size(), 1);
  EXPECT_EQ(findings[0].culprit(), FABRIC_CULPRIT_FABRIC);
  LocalPhase two(nodes, FABRIC_NCCL);
  DrivePhase(&two, [](const FabricGroup& group) {
    return group.members(0).node() > 0 ? Outcome::kFail : Outcome::kPass;
  });
  findings = two.Findings();
  ASSERT_EQ(findings.size(), 2);
  EXPECT_EQ(findings[0].culprit(), FABRIC_CULPRIT_NODE);
}

TEST(LocalPhase, GpusInTwoPartsAreTheirNodesFault) {
  const TestedNodes nodes = SomeNodes(1, 8);
  LocalPhase phase(nodes, FABRIC_NCCL);
  DrivePhase(&phase, [](const FabricGroup& group) {
    const bool across = group.members(0).gpu() / 4 !=
                        group.members(group.members_size() - 1).gpu() / 4;
    return across ? Outcome::kFail : Outcome::kPass;
  });
  const std::vector<FabricFinding> findings = phase.Findings();
  ASSERT_EQ(findings.size(), 1);
  EXPECT_EQ(findings[0].culprit(), FABRIC_CULPRIT_NODE);
  EXPECT_THAT(findings[0].message(), HasSubstr("0, 1, 2, 3 | 4, 5, 6, 7"));
}

TEST(LocalPhase, SaysNothingOfANodeThatWasLost) {
  TestedNodes nodes = SomeNodes(2, 4);
  LocalPhase phase(nodes, FABRIC_NCCL);
  const Step together = phase.Next();
  phase.Take(1, {JudgedOf(together.groups[0], phase.id(), Outcome::kFail),
                 JudgedOf(together.groups[1], phase.id(), Outcome::kPass)});
  const Step pairs = phase.Next();
  ASSERT_EQ(pairs.groups.size(), 2);
  nodes[0].good = false;
  nodes[0].lost = "gone";
  phase.Lost(0);
  std::vector<JudgedTest> tests;
  for (const FabricGroup& group : pairs.groups) {
    tests.push_back(JudgedOf(group, phase.id(), Outcome::kFail));
  }
  phase.Take(2, tests);
  EXPECT_THAT(phase.Next().groups, IsEmpty());
  EXPECT_THAT(phase.Findings(), IsEmpty());
}

// ---- network ----

TEST(NetworkPhase, AllRailsOfAPairAreTestedAtOnceInARing) {
  TestedNodes nodes = SomeNodes(4, 4);
  nodes[1].slots = 2;
  NetworkPhase phase(nodes, FABRIC_NCCL, {});
  const Step step = phase.Next();
  EXPECT_EQ(step.groups.size(), 2 + 4);
  for (const FabricGroup& group : step.groups) {
    EXPECT_TRUE(group.ring());
    ASSERT_EQ(group.members_size(), 2);
    EXPECT_EQ(group.members(0).gpu(), group.members(1).gpu());
  }
}

TEST(NetworkPhase, TakesSoManyRoundsAsTheUserWants) {
  const TestedNodes nodes = SomeNodes(8, 0);
  FabricSettings settings;
  NetworkPhase two(nodes, FABRIC_GLOO, settings);
  EXPECT_EQ(DrivePhase(&two, Pass), 2);
  settings.set_rounds(5);
  NetworkPhase five(nodes, FABRIC_GLOO, settings);
  EXPECT_EQ(DrivePhase(&five, Pass), 5);
  settings.set_exhaustive(true);
  NetworkPhase all(nodes, FABRIC_GLOO, settings);
  EXPECT_EQ(DrivePhase(&all, Pass), 7);
}

TEST(NetworkPhase, OfTwoNodesNobodyIsBlamedUnlessOneConfesses) {
  const TestedNodes nodes = SomeNodes(2, 0);
  for (const bool confesses : {false, true}) {
    NetworkPhase phase(nodes, FABRIC_GLOO, {});
    uint32_t round = 0;
    for (Step step = phase.Next(); !step.groups.empty(); step = phase.Next()) {
      JudgedTest test = JudgedOf(step.groups[0], phase.id(), Outcome::kFail);
      if (confesses) {
        test.record.mutable_failure()->set_kind(FABRIC_FAILURE_CRASHED);
        test.record.set_failed_rank(1);
      }
      phase.Take(++round, {test});
    }
    const std::vector<FabricFinding> findings = phase.Findings();
    ASSERT_EQ(findings.size(), 1);
    if (confesses) {
      EXPECT_EQ(findings[0].culprit(), FABRIC_CULPRIT_NODE);
      EXPECT_EQ(findings[0].confidence(), FABRIC_CONFIDENCE_PROBABLE);
      EXPECT_THAT(findings[0].nodes(), ElementsAre(1));
    } else {
      EXPECT_EQ(findings[0].culprit(), FABRIC_CULPRIT_PAIR);
      EXPECT_THAT(findings[0].nodes(), ElementsAre(0, 1));
    }
  }
}

TEST(NetworkPhase, OfThreeNodesTheBadOneIsConfirmed) {
  for (uint32_t bad = 0; bad < 3; ++bad) {
    const TestedNodes nodes = SomeNodes(3, 0);
    NetworkPhase phase(nodes, FABRIC_GLOO, {});
    DrivePhase(&phase, [bad](const FabricGroup& group) {
      return HasSlot(group, bad, 0) ? Outcome::kFail : Outcome::kPass;
    });
    const std::vector<FabricFinding> findings = phase.Findings();
    ASSERT_EQ(findings.size(), 1);
    EXPECT_EQ(findings[0].culprit(), FABRIC_CULPRIT_NODE);
    EXPECT_EQ(findings[0].confidence(), FABRIC_CONFIDENCE_CONFIRMED);
    EXPECT_THAT(findings[0].nodes(), ElementsAre(bad));
  }
}

TEST(NetworkPhase, OneRailThatFailsEverywhereIsNobodysFault) {
  const TestedNodes nodes = SomeNodes(6, 4);
  NetworkPhase phase(nodes, FABRIC_NCCL, {});
  DrivePhase(&phase, [](const FabricGroup& group) {
    return group.members(0).gpu() == 2 ? Outcome::kFail : Outcome::kPass;
  });
  const std::vector<FabricFinding> findings = phase.Findings();
  ASSERT_EQ(findings.size(), 1);
  EXPECT_EQ(findings[0].culprit(), FABRIC_CULPRIT_FABRIC);
  EXPECT_THAT(findings[0].message(), HasSubstr("on rail 2"));
}

TEST(NetworkPhase, WhatFailedOnceFailsOnlyWhereOddnessDoes) {
  for (const bool strict : {false, true}) {
    const TestedNodes nodes = SomeNodes(8, 0);
    FabricSettings settings;
    settings.set_strict(strict);
    NetworkPhase phase(nodes, FABRIC_GLOO, settings);
    bool first = true;
    DrivePhase(&phase, [&](const FabricGroup&) {
      return std::exchange(first, false) ? Outcome::kFail : Outcome::kPass;
    });
    const std::vector<FabricFinding> findings = phase.Findings();
    ASSERT_EQ(findings.size(), 1);
    EXPECT_EQ(findings[0].culprit(), FABRIC_CULPRIT_LINK);
    EXPECT_EQ(findings[0].verdict(),
              strict ? FABRIC_VERDICT_FAIL : FABRIC_VERDICT_WARN);
  }
}

// ---- world ----

TEST(WorldPhase, TestsAllSlotsThatTakePartAtOnce) {
  TestedNodes nodes = SomeNodes(4, 2);
  nodes[3].good = false;
  WorldPhase phase(nodes, FABRIC_NCCL);
  const Step step = phase.Next();
  ASSERT_EQ(step.groups.size(), 1);
  EXPECT_EQ(step.groups[0].members_size(), 6);
  EXPECT_FALSE(step.groups[0].ring());
  EXPECT_THAT(phase.Next().groups, IsEmpty());
}

TEST(WorldPhase, BlamesNobodyButWhoFailedByHimself) {
  const TestedNodes nodes = SomeNodes(4, 1);
  for (const FabricFailureKind kind :
       {FABRIC_FAILURE_TIMEOUT, FABRIC_FAILURE_WRONG, FABRIC_FAILURE_ERROR,
        FABRIC_FAILURE_CRASHED, FABRIC_FAILURE_STOPPED}) {
    WorldPhase phase(nodes, FABRIC_NCCL);
    JudgedTest test =
        JudgedOf(phase.Next().groups[0], phase.id(), Outcome::kFail);
    test.record.mutable_failure()->set_kind(kind);
    test.record.set_failed_rank(2);
    phase.Take(1, {test});
    const std::vector<FabricFinding> findings = phase.Findings();
    ASSERT_EQ(findings.size(), 1);
    const bool own =
        kind == FABRIC_FAILURE_CRASHED || kind == FABRIC_FAILURE_STOPPED;
    EXPECT_EQ(findings[0].culprit(),
              own ? FABRIC_CULPRIT_NODE : FABRIC_CULPRIT_FABRIC);
    EXPECT_EQ(findings[0].nodes_size(), own ? 1 : 0);
  }
}

// ---- which of them there are, and how long they take ----

TEST(PhaseOrder, GpusAloneHaveTestsOfTheirOwn) {
  const TestedNodes nodes = SomeNodes(3, 2);
  for (const FabricPhase phase : {FABRIC_PHASE_SOLO, FABRIC_PHASE_LOCAL}) {
    EXPECT_EQ(MakePhase(phase, nodes, {.kind = FABRIC_GLOO}, {}), nullptr);
    const auto made = MakePhase(phase, nodes, {.kind = FABRIC_NCCL}, {});
    ASSERT_NE(made, nullptr);
    EXPECT_EQ(made->id(), phase);
  }
}

TEST(PhaseOrder, OneNodeHasNoNetworkAndNoWorld) {
  TestedNodes nodes = SomeNodes(2, 2);
  nodes[0].good = false;
  const Scale scale{.kind = FABRIC_NCCL};
  EXPECT_EQ(MakePhase(FABRIC_PHASE_NETWORK, nodes, scale, {}), nullptr);
  EXPECT_EQ(MakePhase(FABRIC_PHASE_WORLD, nodes, scale, {}), nullptr);
}

TEST(PhaseOrder, TheWorldIsTestedWhereItSaysMoreThanPairsAndIsSoonDone) {
  const auto has = [](const TestedNodes& nodes, FabricKind kind,
                      const FabricReport& so_far = {}) {
    return MakePhase(FABRIC_PHASE_WORLD, nodes, {.kind = kind}, so_far) !=
           nullptr;
  };
  EXPECT_FALSE(has(SomeNodes(2, 0), FABRIC_GLOO));
  EXPECT_FALSE(has(SomeNodes(2, 1), FABRIC_NCCL));
  EXPECT_TRUE(has(SomeNodes(2, 2), FABRIC_NCCL));
  EXPECT_TRUE(has(SomeNodes(16, 0), FABRIC_GLOO));
  EXPECT_FALSE(has(SomeNodes(17, 0), FABRIC_GLOO));
  EXPECT_TRUE(has(SomeNodes(64, 1), FABRIC_NCCL));
  EXPECT_FALSE(has(SomeNodes(65, 1), FABRIC_NCCL));
  for (const FabricCulprit culprit :
       {FABRIC_CULPRIT_LINK, FABRIC_CULPRIT_NODE}) {
    FabricReport report;
    FabricFinding& finding = *report.add_findings();
    finding.set_phase(FABRIC_PHASE_NETWORK);
    finding.set_verdict(FABRIC_VERDICT_FAIL);
    finding.set_culprit(culprit);
    EXPECT_EQ(has(SomeNodes(4, 0), FABRIC_GLOO, report),
              culprit == FABRIC_CULPRIT_NODE);
    report.mutable_findings(0)->set_verdict(FABRIC_VERDICT_WARN);
    EXPECT_TRUE(has(SomeNodes(4, 0), FABRIC_GLOO, report));
  }
}

TEST(PhaseSettings, TheUsersSizeAndDeadlineCount) {
  const TestedNodes nodes = SomeNodes(2, 2);
  Scale scale{.kind = FABRIC_NCCL};
  scale.settings.set_bytes(4096);
  scale.settings.set_timeout_ms(1500);
  FabricGroup group;
  *group.add_members() = SlotOf(1, 1);
  SetUpGroup(nodes, scale, FABRIC_PHASE_LOCAL, false, &group);
  EXPECT_EQ(group.bytes(), 4096);
  EXPECT_EQ(group.connect_ms(), 1500);
  EXPECT_EQ(group.run_ms(), 1500);
  EXPECT_THAT(group.names(), ElementsAre("host1 GPU 1"));
}

TEST(PhaseSettings, GpusReduceMoreAndHaveLongerThanProcessors) {
  const TestedNodes nodes = SomeNodes(2, 2);
  FabricGroup gpu;
  FabricGroup cpu;
  FabricGroup brief;
  SetUpGroup(nodes, {.kind = FABRIC_NCCL}, FABRIC_PHASE_NETWORK, false, &gpu);
  SetUpGroup(nodes, {.kind = FABRIC_GLOO}, FABRIC_PHASE_NETWORK, false, &cpu);
  SetUpGroup(nodes, {.kind = FABRIC_GLOO}, FABRIC_PHASE_NETWORK, true, &brief);
  EXPECT_GT(gpu.bytes(), cpu.bytes());
  EXPECT_GT(gpu.connect_ms(), cpu.connect_ms());
  EXPECT_GT(cpu.measure_ms(), brief.measure_ms());
}

}  // namespace
}  // namespace muster::fabric
