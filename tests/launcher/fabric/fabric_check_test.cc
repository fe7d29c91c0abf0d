#include "launcher/fabric/fabric_check.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/fabric/timing.h"
#include "rendezvous/exit_codes.h"
#include "tests/launcher/fabric/pretend_nodes.h"

namespace muster::fabric {
namespace {

using test::Fault;
using test::PretendNodes;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using What = Fault::What;

const std::set<FabricPhase> kNetwork = {FABRIC_PHASE_NETWORK,
                                        FABRIC_PHASE_WORLD};

std::vector<FabricPhase> PhasesOf(const FabricReport& report) {
  std::vector<FabricPhase> phases;
  for (const FabricTest& test : report.tests()) {
    if (phases.empty() || phases.back() != test.phase()) {
      phases.push_back(test.phase());
    }
  }
  return phases;
}

TEST(FabricCheck, GpusGoThroughAllPhases) {
  PretendNodes nodes({.nodes = 4, .gpus = 4});
  ASSERT_TRUE(nodes.Run());
  const FabricReport& report = nodes.fabric();
  EXPECT_THAT(PhasesOf(report),
              ElementsAre(FABRIC_PHASE_SOLO, FABRIC_PHASE_LOCAL,
                          FABRIC_PHASE_NETWORK, FABRIC_PHASE_WORLD));
  EXPECT_EQ(report.kind(), FABRIC_NCCL);
  EXPECT_EQ(report.verdict(), FABRIC_VERDICT_PASS);
  EXPECT_EQ(report.rounds(), 5);
  EXPECT_EQ(report.tests_size(), 16 + 4 + 2 * 8 + 1);
  for (const FabricNode& node : report.nodes()) {
    EXPECT_EQ(node.verdict(), FABRIC_VERDICT_PASS);
  }
  EXPECT_EQ(nodes.check().report().result(), RESULT_SUCCEEDED);
}

TEST(FabricCheck, ProcessorsAreTestedInPairsAndTogether) {
  PretendNodes nodes({.nodes = 5});
  ASSERT_TRUE(nodes.Run());
  EXPECT_EQ(nodes.fabric().kind(), FABRIC_GLOO);
  EXPECT_THAT(PhasesOf(nodes.fabric()),
              ElementsAre(FABRIC_PHASE_NETWORK, FABRIC_PHASE_WORLD));
}

TEST(FabricCheck, OneNodeIsTestedAsFarAsItCanBe) {
  PretendNodes gpus({.nodes = 1, .gpus = 2});
  ASSERT_TRUE(gpus.Run());
  EXPECT_THAT(PhasesOf(gpus.fabric()),
              ElementsAre(FABRIC_PHASE_SOLO, FABRIC_PHASE_LOCAL));
  PretendNodes cpu({.nodes = 1});
  ASSERT_TRUE(cpu.Run());
  EXPECT_EQ(cpu.fabric().kind(), FABRIC_OFF);
  EXPECT_EQ(cpu.fabric().nodes(0).verdict(), FABRIC_VERDICT_UNSPECIFIED);
  EXPECT_EQ(cpu.exit_code(), 0);
  EXPECT_THAT(cpu.fabric().notes(),
              ElementsAre("one node without GPUs has nothing to test"));
  PretendNodes bad({.nodes = 1, .gpus = 2});
  bad.Break({.what = What::kWrong, .one = {{0, 1}}});
  ASSERT_TRUE(bad.Run());
  EXPECT_EQ(bad.exit_code(), rendezvous::kExitNodeLost);
  EXPECT_THAT(bad.check().report().first_cause().message(),
              HasSubstr("host0 GPU 1 fails by itself"));
}

TEST(FabricCheck, OfTwoNodesNobodyCanBeBlamedForTheirNetwork) {
  PretendNodes nodes({.nodes = 2, .min_nodes = 1});
  nodes.Break({.what = What::kHangRun, .one = {{1}}, .phases = kNetwork});
  ASSERT_TRUE(nodes.Run());
  EXPECT_EQ(nodes.exit_code(), rendezvous::kExitFabric);
  EXPECT_THAT(nodes.left_out(), IsEmpty());
  EXPECT_EQ(nodes.fabric().findings(0).culprit(), FABRIC_CULPRIT_PAIR);
}

TEST(FabricCheck, OfTwoNodesTheOneWhoseProbeDiesIsNamed) {
  for (const What what :
       {What::kCrash, What::kNoProbe, What::kSilent, What::kMissing}) {
    PretendNodes nodes({.nodes = 2, .min_nodes = 1});
    nodes.Break({.what = what, .one = {{1}}, .phases = kNetwork});
    ASSERT_TRUE(nodes.Run());
    EXPECT_EQ(nodes.exit_code(), 0) << static_cast<int>(what);
    EXPECT_THAT(nodes.left_out(), ElementsAre(Key(1)));
  }
}

TEST(FabricCheck, AWaitForWhoFailedIsCutShort) {
  PretendNodes nodes({.nodes = 8, .gpus = 2, .min_nodes = 7});
  nodes.Break({.what = What::kError, .one = {{3}}, .phases = kNetwork});
  ASSERT_TRUE(nodes.Run());
  EXPECT_GT(nodes.stops(), 0);
  EXPECT_LT(nodes.elapsed(), kGpuNetwork.connect);
}

TEST(FabricCheck, ANodeOfTheJobHasTheAddressThatTheOthersUse) {
  PretendNodes nodes({.nodes = 3});
  ASSERT_TRUE(nodes.Run());
  EXPECT_EQ(nodes.fabric().nodes(2).address(), "10.0.0.3");
  EXPECT_EQ(nodes.fabric().nodes(2).host(), "host2");
  EXPECT_EQ(nodes.fabric().nodes(2).inventory().boot_id(), "boot-2");
}

TEST(FabricCheck, WhoShareTheirGpusAreNotJudgedBySpeed) {
  PretendNodes nodes({.nodes = 4, .gpus = 1});
  for (uint32_t node = 0; node < 4; ++node) {
    nodes.inventory(node)->mutable_gpus(0)->set_uuid("GPU-0");
  }
  nodes.Break({.what = What::kSlow, .one = {{1}}});
  ASSERT_TRUE(nodes.Run());
  EXPECT_THAT(nodes.fabric().findings(), IsEmpty());
  EXPECT_THAT(nodes.fabric().notes(),
              ElementsAre("speed was not judged: the nodes share their GPUs"));
}

TEST(FabricCheck, WhatIsAskedForAndNowhereToBeHadFailsForAll) {
  PretendNodes::Options options{.nodes = 3};
  options.settings.set_kind(FABRIC_NCCL);
  PretendNodes nodes(options);
  ASSERT_TRUE(nodes.Run());
  EXPECT_EQ(nodes.exit_code(), rendezvous::kExitFabric);
  EXPECT_THAT(nodes.fabric().tests(), IsEmpty());
}

TEST(FabricCheck, StrictFailsWhatIsOdd) {
  for (const bool strict : {false, true}) {
    PretendNodes::Options options{.nodes = 4, .gpus = 1, .min_nodes = 3};
    options.settings.set_strict(strict);
    PretendNodes nodes(options);
    nodes.inventory(2)->set_driver("470.1");
    ASSERT_TRUE(nodes.Run());
    EXPECT_EQ(nodes.left_out().size(), strict ? 1 : 0);
  }
}

TEST(FabricCheck, WhereNothingWorksAnywhereItEndsThereAndBlamesNobody) {
  for (const FabricPhase phase : {FABRIC_PHASE_SOLO, FABRIC_PHASE_LOCAL}) {
    PretendNodes nodes({.nodes = 3, .gpus = 2, .min_nodes = 1});
    nodes.Break(
        {.what = What::kHangRun, .one = {{0}, {1}, {2}}, .phases = {phase}});
    ASSERT_TRUE(nodes.Run());
    EXPECT_EQ(nodes.exit_code(), rendezvous::kExitFabric);
    EXPECT_EQ(PhasesOf(nodes.fabric()).back(), phase);
    ASSERT_EQ(nodes.fabric().findings_size(), 1);
    EXPECT_EQ(nodes.fabric().findings(0).culprit(), FABRIC_CULPRIT_FABRIC);
  }
}

TEST(FabricCheck, AllMayBeLostAndItEnds) {
  PretendNodes nodes({.nodes = 4, .gpus = 1, .chaos = true});
  for (uint32_t node = 0; node < 4; ++node) {
    nodes.LoseIn(node,
                 node % 2 == 0 ? FABRIC_PHASE_SOLO : FABRIC_PHASE_INVENTORY);
  }
  ASSERT_TRUE(nodes.Run());
  EXPECT_EQ(nodes.exit_code(), rendezvous::kExitNodeLost);
  EXPECT_EQ(nodes.fabric().findings_size(), 4);
}

TEST(FabricCheck, WhoCountsAsLostMayStillEndTheJob) {
  PretendNodes nodes({.nodes = 4});
  nodes.HideInventory(1);
  nodes.Break(
      {.what = What::kHangRun, .one = {{0}, {2}, {3}}, .phases = kNetwork});
  nodes.CancelAt(1, 2, kInventory + std::chrono::seconds(2));
  ASSERT_TRUE(nodes.Run());
  EXPECT_EQ(nodes.exit_code(), 128 + 2);
  const Cause& cause = nodes.check().report().first_cause();
  EXPECT_EQ(cause.kind(), CAUSE_CANCELLED);
  EXPECT_EQ(cause.node(), 1);
  EXPECT_EQ(cause.message(),
            "cancelled by signal 2 on host1 during the self-test");
  EXPECT_EQ(nodes.fabric().verdict(), FABRIC_VERDICT_UNSPECIFIED);
}

TEST(FabricCheck, ACheckByHandNamesTheNodeAndLeavesNobodyOut) {
  PretendNodes::Options options{.nodes = 4, .min_nodes = 3};
  options.settings.set_only(true);
  PretendNodes nodes(options);
  nodes.Break({.what = What::kCrash, .one = {{2}}, .phases = kNetwork});
  ASSERT_TRUE(nodes.Run());
  EXPECT_EQ(nodes.exit_code(), rendezvous::kExitNodeLost);
  EXPECT_EQ(nodes.check().report().first_cause().host(), "host2");
  EXPECT_THAT(nodes.left_out(), IsEmpty());
}

TEST(FabricCheck, WhoIsLeftOutIsInTheReportWithTheReason) {
  PretendNodes nodes({.nodes = 4, .min_nodes = 3});
  nodes.Break({.what = What::kCrash, .one = {{2}}, .phases = kNetwork});
  ASSERT_TRUE(nodes.Run());
  const Report& report = nodes.check().report();
  ASSERT_EQ(report.left_out_size(), 1);
  EXPECT_EQ(report.left_out(0).host(), "host2");
  EXPECT_EQ(report.left_out(0).address(), "10.0.0.3");
  EXPECT_THAT(report.left_out(0).why(), HasSubstr("fails with every partner"));
  EXPECT_EQ(nodes.fabric().nodes(2).verdict(), FABRIC_VERDICT_FAIL);
  EXPECT_EQ(nodes.fabric().nodes(1).verdict(), FABRIC_VERDICT_PASS);
}

}  // namespace
}  // namespace muster::fabric
