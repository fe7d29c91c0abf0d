#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/fabric/fabric_table.h"
#include "tests/launcher/fabric/view/pretend_report.h"

namespace muster::fabric {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace test;  // NOLINT: the reports

TEST(FabricLines, OfAPassAreOneLine) {
  EXPECT_THAT(FabricLines(ThreeNodes()),
              ElementsAre("self-test passed: 3 nodes with Gloo, 3 rounds, 1.4 "
                          "s; slowest pair host1 - host3 1.20 GB/s"));
  EXPECT_THAT(FabricLines(PretendReport(FABRIC_NCCL, 1, 8)),
              ElementsAre("self-test passed: 1 node with NCCL, 0 rounds, 1.4 "
                          "s"));
}

TEST(FabricLines, OfAFailureSayWhoAndWhatToDo) {
  EXPECT_THAT(
      FabricLines(BrokenLink()),
      ElementsAre("self-test failed: 4 nodes with Gloo, 3 rounds, 1.4 s",
                  "failure (confirmed): the link between host1 and host3 "
                  "fails; both are well with others; next: on host1: ping -c "
                  "3 10.0.0.3"));
}

TEST(FabricLines, SayWithoutWhomTheJobStarts) {
  FabricReport report = BrokenLink();
  report.mutable_nodes(2)->set_left_out(true);
  const std::vector<std::string> lines = FabricLines(report);
  ASSERT_THAT(lines, SizeIs(3));
  EXPECT_EQ(lines[0],
            "self-test failed for 1 of 4 nodes with Gloo, 3 rounds, 1.4 s");
  EXPECT_EQ(lines[2], "the job starts without host3 (10.0.0.3)");
}

TEST(FabricLines, OfManyFindingsAreTheFirstFew) {
  FabricReport report = PretendReport(FABRIC_GLOO, 20);
  for (uint32_t i = 0; i < 20; ++i) {
    AddFinding(&report, FABRIC_VERDICT_WARN, FABRIC_PHASE_NETWORK,
               FABRIC_CULPRIT_NODE, FABRIC_CONFIDENCE_PROBABLE, {i},
               absl::StrCat("host", i + 1, "\nis slow"));
    report.mutable_nodes(static_cast<int>(i))->set_left_out(true);
  }
  const std::vector<std::string> lines = FabricLines(report);
  ASSERT_THAT(lines, SizeIs(11));
  EXPECT_EQ(lines[8], "warning (probable): host8\\x0ais slow");
  EXPECT_EQ(lines[9], "and 12 findings more, in fabric.json");
  EXPECT_THAT(lines[10], ::testing::EndsWith("host8 (10.0.0.8), and 12 more"));
  for (FabricNode& node : *report.mutable_nodes()) node.clear_left_out();
  EXPECT_EQ(FabricLines(report)[0],
            "self-test passed with 20 warnings: 20 nodes with Gloo, 0 rounds, "
            "1.4 s");
}

TEST(FabricLines, OfNoTestAreNone) {
  EXPECT_THAT(FabricLines(PretendReport(FABRIC_OFF, 2)), IsEmpty());
  FabricReport cut = ThreeNodes();
  cut.set_verdict(FABRIC_VERDICT_UNSPECIFIED);
  EXPECT_THAT(FabricLines(cut),
              ElementsAre("self-test cut short: 3 nodes with Gloo, 3 rounds, "
                          "1.4 s"));
}

}  // namespace
}  // namespace muster::fabric
