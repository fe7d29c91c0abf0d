#include "launcher/fabric/view/heat_map.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/fabric/view/pretend_report.h"

namespace muster::fabric {
namespace {

using ::testing::HasSubstr;
using namespace test;  // NOLINT: the reports

TEST(HeatMap, ShowsEachPairInTenthsOfTheMedian) {
  FabricReport report = BrokenLink();
  AddPair(&report, 4, 0, 3, 0.7);
  EXPECT_EQ(HeatMap(report, 100, false),
            "Pairs of nodes, busbw in tenths of the median 1.23 GB/s; x "
            "failed, . not tried\n"
            "         0 1 2 3\n"
            " 0 host1   9 x 5\n"
            " 1 host2 9   . 9\n"
            " 2 host3 x .   9\n"
            " 3 host4 5 9 9\n");
}

TEST(HeatMap, OfAPairThatWasTriedAgainShowsTheLastTest) {
  FabricReport report = PretendReport(FABRIC_GLOO, 3);
  Fail(AddPair(&report, 1, 0, 1, 1), FABRIC_FAILURE_TIMEOUT,
       FABRIC_STAGE_CONNECT, 0, "");
  AddPair(&report, 2, 1, 0, 1.2);
  EXPECT_THAT(HeatMap(report, 100, false), HasSubstr(" 0 host1   9 .\n"));
}

TEST(HeatMap, GoesFromRedToGreen) {
  FabricReport report = BrokenLink();
  AddPair(&report, 4, 0, 3, 0.01);
  const std::string map = HeatMap(report, 100, true);
  EXPECT_THAT(map, HasSubstr("\x1b[30;48;5;46m 9\x1b[0m"));
  EXPECT_THAT(map, HasSubstr("\x1b[30;48;5;160m 0\x1b[0m"));
  EXPECT_THAT(map, HasSubstr("\x1b[1;37;41m x\x1b[0m"));
}

TEST(HeatMap, HasTwoLinesOfIndexesAboveTenNodes) {
  FabricReport report = PretendReport(FABRIC_GLOO, 12);
  AddPair(&report, 1, 0, 11, 1);
  EXPECT_THAT(HeatMap(report, 100, false),
              HasSubstr("                              1 1\n"
                        "          0 1 2 3 4 5 6 7 8 9 0 1\n"
                        " 0 host1    . . . . . . . . . . 9\n"));
}

TEST(HeatMap, LeavesNamesOutBeforeItLeavesItselfOut) {
  FabricReport report = PretendReport(FABRIC_GLOO, 12);
  AddPair(&report, 1, 0, 11, 1);
  EXPECT_THAT(HeatMap(report, 30, false),
              HasSubstr(" 0   . . . . . . . . . . 9\n"));
  EXPECT_EQ(HeatMap(report, 25, false), "");
}

TEST(HeatMap, IsThereForThreeToFortyNodes) {
  for (const auto& [nodes, shown] :
       {std::pair{2, false}, {3, true}, {40, true}, {41, false}}) {
    FabricReport report = PretendReport(FABRIC_GLOO, nodes);
    AddPair(&report, 1, 0, 1, 1);
    EXPECT_EQ(!HeatMap(report, 100, false).empty(), shown) << nodes;
  }
  EXPECT_EQ(HeatMap(PretendReport(FABRIC_GLOO, 3), 100, false), "");
}

}  // namespace
}  // namespace muster::fabric
