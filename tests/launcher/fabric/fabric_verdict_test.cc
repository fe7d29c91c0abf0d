#include "launcher/fabric/fabric_verdict.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rendezvous/exit_codes.h"

namespace muster::fabric {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::Pair;

FabricReport ReportOf(int nodes) {
  FabricReport report;
  for (int i = 0; i < nodes; ++i) {
    report.add_nodes()->set_host(absl::StrCat("host", i));
  }
  return report;
}

FabricFinding& Add(FabricReport* report, FabricCulprit culprit,
                   const std::vector<uint32_t>& nodes,
                   FabricVerdict verdict = FABRIC_VERDICT_FAIL) {
  FabricFinding& finding = *report->add_findings();
  finding.set_culprit(culprit);
  finding.set_verdict(verdict);
  finding.set_message(
      absl::StrCat("finding ", report->findings_size(), " happened"));
  finding.set_next(absl::StrCat("do ", report->findings_size()));
  for (const uint32_t node : nodes) finding.add_nodes(node);
  return finding;
}

TEST(DecideFabric, WithoutFindingsTheJobStarts) {
  const FabricDecision decision = DecideFabric(ReportOf(3), 3);
  EXPECT_EQ(decision.exit_code, 0);
  EXPECT_THAT(decision.left_out, IsEmpty());
}

TEST(DecideFabric, WhatIsOnlySlowStopsNothing) {
  FabricReport report = ReportOf(3);
  Add(&report, FABRIC_CULPRIT_NODE, {1}, FABRIC_VERDICT_WARN);
  Add(&report, FABRIC_CULPRIT_FABRIC, {}, FABRIC_VERDICT_WARN);
  EXPECT_EQ(WorstOf(report), FABRIC_VERDICT_WARN);
  EXPECT_EQ(DecideFabric(report, 3).exit_code, 0);
  report.set_only(true);
  EXPECT_EQ(DecideFabric(report, 3).exit_code, 0);
}

TEST(DecideFabric, BadNodesAreLeftOutWhereEnoughRemain) {
  for (const FabricCulprit culprit :
       {FABRIC_CULPRIT_NODE, FABRIC_CULPRIT_GPU, FABRIC_CULPRIT_RAIL,
        FABRIC_CULPRIT_CONFIG}) {
    FabricReport report = ReportOf(4);
    Add(&report, culprit, {2});
    Add(&report, culprit, {2});
    const FabricDecision decision = DecideFabric(report, 3);
    EXPECT_EQ(decision.exit_code, 0);
    EXPECT_THAT(decision.left_out, ElementsAre(Pair(2, "finding 1 happened")));
  }
}

// It failed with a good partner, and no other was left to tell it from a link:
// without it the job has what works.
TEST(DecideFabric, WhoIsProbablyBadIsLeftOutToo) {
  FabricReport report = ReportOf(3);
  Add(&report, FABRIC_CULPRIT_NODE, {2})
      .set_confidence(FABRIC_CONFIDENCE_PROBABLE);
  EXPECT_THAT(DecideFabric(report, 2).left_out, ElementsAre(Key(2)));
}

TEST(DecideFabric, WhereTooFewRemainTheFirstFindingIsNamed) {
  FabricReport report = ReportOf(4);
  Add(&report, FABRIC_CULPRIT_NODE, {0}, FABRIC_VERDICT_WARN);
  Add(&report, FABRIC_CULPRIT_NODE, {3});
  Add(&report, FABRIC_CULPRIT_GPU, {1});
  const FabricDecision decision = DecideFabric(report, 3);
  EXPECT_EQ(decision.exit_code, rendezvous::kExitNodeLost);
  EXPECT_THAT(decision.left_out, IsEmpty());
  EXPECT_EQ(decision.node, 3);
  EXPECT_EQ(decision.message,
            "finding 2 happened; and 1 finding more; 2 of 4 nodes are well and "
            "--nnodes wants at least 3; next: do 2");
}

TEST(DecideFabric, WithoutAChoiceOfNodesNothingIsSaidOfOne) {
  FabricReport report = ReportOf(4);
  Add(&report, FABRIC_CULPRIT_NODE, {3});
  EXPECT_EQ(DecideFabric(report, 4).message, "finding 1 happened; next: do 1");
}

TEST(DecideFabric, OneEndOfABrokenLinkIsLeftOutTheLaterOne) {
  FabricReport report = ReportOf(4);
  Add(&report, FABRIC_CULPRIT_LINK, {1, 2});
  EXPECT_THAT(DecideFabric(report, 3).left_out, ElementsAre(Key(2)));
}

TEST(DecideFabric, OfSeveralLinksTheNodeWithMostOfThemGoes) {
  FabricReport report = ReportOf(6);
  Add(&report, FABRIC_CULPRIT_LINK, {1, 2});
  Add(&report, FABRIC_CULPRIT_LINK, {1, 3});
  Add(&report, FABRIC_CULPRIT_LINK, {4, 5});
  EXPECT_THAT(DecideFabric(report, 2).left_out, ElementsAre(Key(1), Key(5)));
}

TEST(DecideFabric, ALinkOfANodeThatGoesAnywayTakesNobodyElse) {
  FabricReport report = ReportOf(4);
  Add(&report, FABRIC_CULPRIT_LINK, {1, 2});
  Add(&report, FABRIC_CULPRIT_NODE, {1});
  EXPECT_THAT(DecideFabric(report, 3).left_out, ElementsAre(Key(1)));
}

TEST(DecideFabric, ALinkBetweenGpusIsItsNodes) {
  FabricReport report = ReportOf(4);
  Add(&report, FABRIC_CULPRIT_LINK, {1});
  EXPECT_THAT(DecideFabric(report, 3).left_out, ElementsAre(Key(1)));
}

TEST(DecideFabric, WhereNobodyCanBeBlamedItFailsForAll) {
  for (const FabricCulprit culprit :
       {FABRIC_CULPRIT_PAIR, FABRIC_CULPRIT_FABRIC}) {
    FabricReport report = ReportOf(4);
    Add(&report, culprit, {0, 1});
    const FabricDecision decision = DecideFabric(report, 1);
    EXPECT_EQ(decision.exit_code, rendezvous::kExitFabric);
    EXPECT_THAT(decision.left_out, IsEmpty());
    EXPECT_EQ(decision.message, "finding 1 happened; next: do 1");
  }
}

TEST(DecideFabric, WhoIsNamedCountsMoreThanWhatNobodyDid) {
  FabricReport report = ReportOf(4);
  Add(&report, FABRIC_CULPRIT_FABRIC, {});
  Add(&report, FABRIC_CULPRIT_NODE, {2});
  const FabricDecision decision = DecideFabric(report, 1);
  EXPECT_EQ(decision.exit_code, rendezvous::kExitNodeLost);
  EXPECT_EQ(decision.node, 2);
  EXPECT_THAT(decision.message, HasSubstr("finding 2 happened"));
  EXPECT_THAT(decision.left_out, IsEmpty());
}

TEST(DecideFabric, ACheckByHandLeavesNobodyOut) {
  FabricReport report = ReportOf(4);
  report.set_only(true);
  Add(&report, FABRIC_CULPRIT_NODE, {2});
  const FabricDecision decision = DecideFabric(report, 1);
  EXPECT_EQ(decision.exit_code, rendezvous::kExitNodeLost);
  EXPECT_EQ(decision.message, "finding 1 happened; next: do 1");
}

TEST(DecideFabric, WhereAllAreBadThereIsNoJob) {
  FabricReport report = ReportOf(2);
  Add(&report, FABRIC_CULPRIT_GPU, {0});
  Add(&report, FABRIC_CULPRIT_GPU, {1});
  EXPECT_EQ(DecideFabric(report, 0).exit_code, rendezvous::kExitNodeLost);
}

}  // namespace
}  // namespace muster::fabric
