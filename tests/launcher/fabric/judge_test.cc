#include "launcher/fabric/judge.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/fabric/some_nodes.h"

namespace muster::fabric {
namespace {

using google::protobuf::RepeatedPtrField;
using test::SomeNodes;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint64_t kBytes = 1'000'000'000;

// A pair of nodes that reduced at that speed, in GB/s; its busbw is the same.
GroupOutcome PairAt(uint32_t a, uint32_t b, double speed) {
  GroupOutcome outcome;
  *outcome.group.add_members() = SlotOf(a, 0);
  *outcome.group.add_members() = SlotOf(b, 0);
  for (uint32_t rank = 0; rank < 2; ++rank) {
    SlotResult& result = outcome.results.emplace_back();
    result.set_rank(rank);
    result.mutable_measured()->set_bytes(kBytes);
    result.mutable_measured()->set_best(1 / speed);
  }
  return outcome;
}

Occasion Network(uint32_t round = 1) {
  return {FABRIC_PHASE_NETWORK, round, "pairs"};
}

std::vector<Outcome> VerdictsOf(const std::vector<JudgedTest>& tests) {
  std::vector<Outcome> verdicts;
  for (const JudgedTest& test : tests) verdicts.push_back(test.verdict);
  return verdicts;
}

TEST(JudgeTests, TheSlowestMembersFiguresAreTheTests) {
  const TestedNodes nodes = SomeNodes(2, 0);
  GroupOutcome outcome = PairAt(0, 1, 10);
  outcome.results[1].mutable_measured()->set_best(0.25);
  outcome.results[1].mutable_measured()->set_connect_seconds(3);
  outcome.results[0].mutable_measured()->add_transports("P2P");
  outcome.results[1].mutable_measured()->add_transports("SHM");
  outcome.results[1].mutable_measured()->add_transports("P2P");
  const std::vector<JudgedTest> tests =
      Judge(nodes, {}, Network(4), {}, {outcome});
  const FabricTest& record = tests[0].record;
  EXPECT_EQ(record.round(), 4);
  EXPECT_EQ(record.what(), "pairs");
  EXPECT_DOUBLE_EQ(record.algbw(), 4);
  EXPECT_DOUBLE_EQ(record.busbw(), 4);
  EXPECT_EQ(record.connect_seconds(), 3);
  EXPECT_THAT(record.transports(), ElementsAre("P2P", "SHM"));
  EXPECT_EQ(record.verdict(), FABRIC_VERDICT_PASS);
}

TEST(JudgeTests, AFailureIsTheOneThatTellsMost) {
  const TestedNodes nodes = SomeNodes(2, 0);
  GroupOutcome outcome = PairAt(0, 1, 10);
  outcome.results[0].mutable_failed()->set_kind(FABRIC_FAILURE_TIMEOUT);
  outcome.results[1].mutable_failed()->set_kind(FABRIC_FAILURE_CRASHED);
  outcome.results[1].set_log("/tmp/log");
  const auto tests = Judge(nodes, {}, Network(), {}, {outcome});
  EXPECT_EQ(tests[0].verdict, Outcome::kFail);
  EXPECT_EQ(tests[0].record.failure().kind(), FABRIC_FAILURE_CRASHED);
  EXPECT_EQ(tests[0].record.failed_rank(), 1);
  EXPECT_EQ(tests[0].record.log(), "/tmp/log");
}

TEST(JudgeTests, TwoThatMissEachOtherNameNobody) {
  const TestedNodes nodes = SomeNodes(2, 0);
  GroupOutcome outcome = PairAt(0, 1, 10);
  for (uint32_t rank = 0; rank < 2; ++rank) {
    FabricFailure& failure = *outcome.results[rank].mutable_failed();
    failure.set_kind(FABRIC_FAILURE_MISSING);
    failure.set_peer(1 - rank);
  }
  auto tests = Judge(nodes, {}, Network(), {}, {outcome});
  EXPECT_FALSE(tests[0].record.failure().has_peer());
  outcome.results[1].mutable_failed()->set_kind(FABRIC_FAILURE_TIMEOUT);
  tests = Judge(nodes, {}, Network(), {}, {outcome});
  EXPECT_EQ(tests[0].record.failure().peer(), 1);
}

TEST(JudgeTests, WhatIsFarBelowTheOthersIsSlow) {
  const TestedNodes nodes = SomeNodes(8, 0);
  const auto tests = Judge(
      nodes, {}, Network(), {},
      {PairAt(0, 1, 10), PairAt(2, 3, 9), PairAt(4, 5, 2), PairAt(6, 7, 11)});
  EXPECT_THAT(VerdictsOf(tests), ElementsAre(Outcome::kPass, Outcome::kPass,
                                             Outcome::kSlow, Outcome::kPass));
  EXPECT_EQ(tests[2].record.verdict(), FABRIC_VERDICT_WARN);
  EXPECT_THAT(tests[2].record.limit_from(), HasSubstr("median of 4 pairs"));
}

TEST(JudgeTests, WhoIsTestedAloneIsHeldAgainstEarlierRoundsThatPassed) {
  const TestedNodes nodes = SomeNodes(8, 0);
  RepeatedPtrField<FabricTest> earlier;
  for (const auto& test :
       Judge(nodes, {}, Network(1), {},
             {PairAt(0, 1, 10), PairAt(2, 3, 10), PairAt(4, 5, 2)})) {
    *earlier.Add() = test.record;
  }
  for (uint32_t round = 2; round < 6; ++round) {
    const auto again =
        Judge(nodes, {}, Network(round), earlier, {PairAt(4, 5, 2)});
    EXPECT_EQ(again[0].verdict, Outcome::kSlow) << round;
    *earlier.Add() = again[0].record;
  }
  // Another phase's figures are other figures.
  EXPECT_EQ(Judge(nodes, {}, {FABRIC_PHASE_WORLD, 9, "all"}, earlier,
                  {PairAt(4, 5, 2)})[0]
                .verdict,
            Outcome::kPass);
}

TEST(JudgeTests, OtherHardwareIsNotAMeasure) {
  TestedNodes nodes = SomeNodes(8, 1);
  for (const uint32_t node : {6u, 7u}) {
    nodes[node].inventory->mutable_gpus(0)->set_name("Tesla V100");
  }
  const Scale scale{.kind = FABRIC_NCCL};
  const auto tests = Judge(
      nodes, scale, Network(), {},
      {PairAt(0, 1, 48), PairAt(2, 3, 48), PairAt(4, 5, 48), PairAt(6, 7, 6)});
  EXPECT_EQ(tests[3].verdict, Outcome::kPass);
}

TEST(JudgeTests, WhereFiguresMeanNothingNothingIsSlow) {
  const TestedNodes nodes = SomeNodes(4, 0);
  Scale scale;
  scale.no_figures = "the nodes share their GPUs";
  const auto tests =
      Judge(nodes, scale, Network(), {}, {PairAt(0, 1, 10), PairAt(2, 3, 0.1)});
  EXPECT_EQ(tests[1].verdict, Outcome::kPass);
  EXPECT_EQ(tests[1].record.limit(), 0);
}

TEST(JudgeTests, WithStrictSlownessFailsButNotByALimitThatOnlyWarns) {
  TestedNodes nodes = SomeNodes(2, 0);
  for (TestedNode& node : nodes) node.inventory->set_interface_gbps(100);
  Scale scale;
  scale.settings.set_strict(true);
  // TCP's limit is 0.30 of 12.5 GB/s.
  auto tests = Judge(nodes, scale, Network(), {}, {PairAt(0, 1, 1)});
  EXPECT_EQ(tests[0].verdict, Outcome::kSlow);
  EXPECT_EQ(tests[0].record.verdict(), FABRIC_VERDICT_WARN);
  scale.settings.set_limit_network(2);
  tests = Judge(nodes, scale, Network(), {}, {PairAt(0, 1, 1)});
  EXPECT_EQ(tests[0].record.verdict(), FABRIC_VERDICT_FAIL);
  EXPECT_EQ(tests[0].record.limit_from(), "--limit-network");
  scale.settings.set_strict(false);
  tests = Judge(nodes, scale, Network(), {}, {PairAt(0, 1, 1)});
  EXPECT_EQ(tests[0].record.verdict(), FABRIC_VERDICT_WARN);
}

TEST(JudgeTests, TheSlowerEndsInterfaceIsTheLimit) {
  TestedNodes nodes = SomeNodes(2, 0);
  nodes[0].inventory->set_interface_gbps(100);
  nodes[1].inventory->set_interface_gbps(10);
  const auto tests = Judge(nodes, {}, Network(), {}, {PairAt(0, 1, 1)});
  EXPECT_EQ(tests[0].verdict, Outcome::kPass);
  EXPECT_DOUBLE_EQ(tests[0].record.limit(), 0.3 * 10 / 8);
}

TEST(JudgeTests, ATestWithoutATimeIsSlow) {
  const TestedNodes nodes = SomeNodes(4, 0);
  GroupOutcome outcome = PairAt(2, 3, 10);
  for (SlotResult& result : outcome.results) {
    result.mutable_measured()->set_best(0);
  }
  const auto tests =
      Judge(nodes, {}, Network(), {}, {PairAt(0, 1, 10), outcome});
  EXPECT_EQ(tests[1].verdict, Outcome::kSlow);
}

}  // namespace
}  // namespace muster::fabric
