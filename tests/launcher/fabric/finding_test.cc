#include "launcher/fabric/finding.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/fabric/some_nodes.h"

namespace muster::fabric {
namespace {

using test::SomeNodes;
using testing::SizeIs;

FabricTest PairTest(double busbw) {
  FabricTest test;
  test.set_round(2);
  *test.add_members() = SlotOf(0, 1);
  *test.add_members() = SlotOf(2, 1);
  test.set_busbw(busbw);
  return test;
}

FabricTest FailedTest() {
  FabricTest test = PairTest(0);
  test.set_verdict(FABRIC_VERDICT_FAIL);
  test.set_failed_rank(1);
  test.set_log("/tmp/x.log");
  FabricFailure& failure = *test.mutable_failure();
  failure.set_kind(FABRIC_FAILURE_TIMEOUT);
  failure.set_stage(FABRIC_STAGE_CONNECT);
  failure.set_message("no answer");
  return test;
}

TEST(FailureText, SaysWhatWhereAndWhy) {
  FabricFailure failure;
  EXPECT_EQ(FailureText(failure), "failed");
  failure.set_kind(FABRIC_FAILURE_WRONG);
  failure.set_wrong(3);
  failure.set_stage(FABRIC_STAGE_CHECK);
  EXPECT_EQ(FailureText(failure),
            "wrong data (3 elements) in the check of the data");
  failure.set_kind(FABRIC_FAILURE_CRASHED);
  failure.set_stage(FABRIC_STAGE_RUN);
  failure.set_message("signal 11");
  EXPECT_EQ(FailureText(failure), "crashed while reducing: signal 11");
}

TEST(EvidenceLine, TellsTheSpeedAndTheLimitThatWasMissed) {
  const TestedNodes nodes = SomeNodes(3, 2);
  FabricTest test = PairTest(0.4);
  EXPECT_EQ(EvidenceLine(nodes, FABRIC_NCCL, test),
            "round 2, host0 GPU 1 - host2 GPU 1: 0.4 GB/s");
  test.set_limit(4.1);
  test.set_limit_from("half of the median");
  EXPECT_EQ(EvidenceLine(nodes, FABRIC_GLOO, test),
            "round 2, host0 - host2: 0.4 GB/s, limit 4.1 (half of the median)");
}

TEST(EvidenceLine, TellsWhoFailedAndWhereItsLogIs) {
  const TestedNodes nodes = SomeNodes(3, 2);
  FabricTest test = FailedTest();
  EXPECT_EQ(EvidenceLine(nodes, FABRIC_NCCL, test),
            "round 2, host0 GPU 1 - host2 GPU 1: host2 GPU 1 timed out while "
            "connecting: no answer; log /tmp/x.log of host2");
  *test.add_members() = SlotOf(1, 1);
  EXPECT_EQ(EvidenceLine(nodes, FABRIC_NCCL, test),
            "round 2, 3 together: host2 GPU 1 timed out while connecting: no "
            "answer; log /tmp/x.log of host2");
}

TEST(AddEvidence, KeepsTheFirstLinesAndCountsTheRest) {
  const TestedNodes nodes = SomeNodes(3, 2);
  const FabricTest test = PairTest(1);
  FabricFinding finding;
  finding.add_evidence("what was there");
  AddEvidence(nodes, FABRIC_GLOO, std::vector<const FabricTest*>(8, &test),
              &finding);
  EXPECT_THAT(finding.evidence(), SizeIs(9));
  FabricFinding longer;
  AddEvidence(nodes, FABRIC_GLOO, std::vector<const FabricTest*>(11, &test),
              &longer);
  ASSERT_THAT(longer.evidence(), SizeIs(9));
  EXPECT_EQ(longer.evidence(8), "and 3 tests more");
}

TEST(AddEvidence, EndsWithTheLastLinesOfALog) {
  const TestedNodes nodes = SomeNodes(3, 2);
  FabricTest test = FailedTest();
  for (const char* line : {"one", "two", "three", "four"}) {
    test.mutable_failure()->add_log_tail(line);
  }
  FabricFinding finding;
  AddEvidence(nodes, FABRIC_GLOO, {&test}, &finding);
  ASSERT_THAT(finding.evidence(), SizeIs(4));
  EXPECT_EQ(finding.evidence(1), "log: two");
  EXPECT_EQ(finding.evidence(3), "log: four");
}

TEST(AddEvidence, ASlowTestThatFailsMakesTheFindingFail) {
  const TestedNodes nodes = SomeNodes(3, 2);
  FabricFinding finding = NewFinding(FABRIC_PHASE_NETWORK, FABRIC_CULPRIT_NODE,
                                     Severity::kSlow, Confidence::kConfirmed);
  FabricTest slow = PairTest(1);
  slow.set_verdict(FABRIC_VERDICT_WARN);
  AddEvidence(nodes, FABRIC_GLOO, {&slow}, &finding);
  EXPECT_EQ(finding.verdict(), FABRIC_VERDICT_WARN);
  // That it failed hard once makes no slow node a dead one.
  const FabricTest failed = FailedTest();
  AddEvidence(nodes, FABRIC_GLOO, {&failed}, &finding);
  EXPECT_EQ(finding.verdict(), FABRIC_VERDICT_WARN);
  slow.set_verdict(FABRIC_VERDICT_FAIL);
  AddEvidence(nodes, FABRIC_GLOO, {&slow}, &finding);
  EXPECT_EQ(finding.verdict(), FABRIC_VERDICT_FAIL);
}

TEST(DeviceOf, NamesWhatIsKnown) {
  TestedNodes nodes = SomeNodes(1, 1);
  EXPECT_EQ(DeviceOf(nodes[0], 0), "GPU-0-0");
  nodes[0].inventory->mutable_gpus(0)->set_pci("0000:1b:00.0");
  EXPECT_EQ(DeviceOf(nodes[0], 0), "GPU-0-0, 0000:1b:00.0");
  EXPECT_EQ(DeviceOf(nodes[0], 7), "");
}

}  // namespace
}  // namespace muster::fabric
