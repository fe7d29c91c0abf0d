// The table of a self-test of many nodes, GPUs, pairs and rounds.
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/fabric/fabric_table.h"
#include "tests/launcher/fabric/view/pretend_report.h"

namespace muster::fabric {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace test;  // NOLINT: the reports

TEST(FabricTable, OfManyPairsShowsTheBadOnesTheSlowestAndTheMedian) {
  FabricReport report = PretendReport(FABRIC_GLOO, 64);
  for (uint32_t i = 0; i < 32; ++i) {
    AddPair(&report, 1, i, i + 32, 1.0 + i / 100.0);
  }
  Fail(report.mutable_tests(20), FABRIC_FAILURE_MISSING, FABRIC_STAGE_CONNECT,
       0, "");
  report.mutable_tests(25)->set_verdict(FABRIC_VERDICT_WARN);
  const std::string table = FabricTable(report, {});
  EXPECT_THAT(
      table,
      HasSubstr(
          "    1  host21 - host53      -        -           -           -      "
          "     -  fail: missing member\n"
          "    1  host26 - host58  4 MiB     3.36        1.25        1.25      "
          "     -  warn: slow\n"
          "    1  host1 - host33   4 MiB     4.19        1.00        1.00      "
          "     -  pass\n"));
  EXPECT_THAT(
      table,
      HasSubstr(
          "    1  host5 - host37   4 MiB     4.03        1.04        1.04      "
          "     -  pass\n"
          "    -  median of 31         -     3.65        1.15        1.15      "
          "     -  -\n"
          "and 25 pairs more, all pass\n"));
  EXPECT_THAT(table,
              AllOf(HasSubstr("\n  63  host64"), Not(HasSubstr("nodes more"))));
}

TEST(FabricTable, OfManyGpusHasARowForEachNode) {
  FabricReport report = PretendReport(FABRIC_NCCL, 64, 8);
  for (uint32_t node = 0; node < 64; ++node) {
    for (uint32_t gpu = 0; gpu < 8; ++gpu) {
      AddTest(&report, FABRIC_PHASE_SOLO, 1, {{node, gpu}}, 1500 + gpu);
    }
  }
  for (uint32_t gpu = 0; gpu < 8; ++gpu) {
    AddPair(&report, 2, 0, 63, 48 - gpu, gpu);
  }
  Fail(report.mutable_tests(512 + 7), FABRIC_FAILURE_CRASHED, FABRIC_STAGE_RUN,
       1, "");
  report.mutable_nodes(63)->set_verdict(FABRIC_VERDICT_FAIL);
  report.mutable_nodes(63)->set_left_out(true);
  const std::string table = FabricTable(report, {});
  EXPECT_THAT(
      table,
      HasSubstr(
          "NODE  HOST    GPUS  NAME            SOLO GB/s  LOCAL GB/s  NET GB/s "
          " WORST  FAILED  VERDICT\n"
          "   0  host1      8  H100 80GB HBM3       1500           -      45.0 "
          "  42.0       1  pass\n"
          "   1  host2      8  H100 80GB HBM3       1500           -         - "
          "     -       0  pass\n"));
  EXPECT_THAT(table, HasSubstr("   42.0       1  fail, left out\n"));
  EXPECT_THAT(table, HasSubstr("host1 - host64, GPU 7     -  "));
  for (const auto line : absl::StrSplit(table, '\n')) {
    EXPECT_LE(line.size(), 100u) << line;
  }
}

TEST(FabricTable, OfHundredsOfNodesShowsThoseThatMatter) {
  FabricReport report = PretendReport(FABRIC_GLOO, 512);
  for (uint32_t i = 0; i < 256; ++i) {
    AddPair(&report, 1, i, i + 256, 2.0 - i / 1000.0);
  }
  report.mutable_nodes(7)->set_verdict(FABRIC_VERDICT_FAIL);
  report.mutable_nodes(7)->set_lost("silent for 5s");
  const std::string table = FabricTable(report, {.heat_map = true});
  EXPECT_THAT(table, HasSubstr("   7  host8    10.0.0.8       1       0        "
                               " 1.99        1.99  fail, lost\n"));
  EXPECT_THAT(table, HasSubstr("and 506 nodes more, all pass\n"));
  EXPECT_THAT(table, Not(HasSubstr("Pairs of nodes")));
  for (int i = 0; i < 512; ++i) {
    report.mutable_nodes(i)->set_verdict(FABRIC_VERDICT_FAIL);
  }
  EXPECT_THAT(FabricTable(report, {}),
              HasSubstr("and 467 nodes more, 467 of them do not pass\n"));
}

TEST(FabricTable, OfManyNodesTheBadOnesAreShownWhereverTheyAre) {
  FabricReport report = PretendReport(FABRIC_GLOO, 200);
  for (int i = 30; i < 200; i += 17) {
    report.mutable_nodes(i)->set_verdict(i % 2 == 0 ? FABRIC_VERDICT_WARN
                                                    : FABRIC_VERDICT_FAIL);
  }
  const std::string table = FabricTable(report, {});
  for (int i = 30; i < 200; i += 17) {
    EXPECT_THAT(table, HasSubstr(absl::StrCat("  host", i + 1, " ")));
  }
  EXPECT_THAT(table, HasSubstr("and 185 nodes more, all pass\n"));
}

TEST(FabricTable, OfATestThatWasCutShortTheRestOfTheNodesDidNotPass) {
  FabricReport report = PretendReport(FABRIC_GLOO, 100);
  report.set_verdict(FABRIC_VERDICT_UNSPECIFIED);
  for (FabricNode& node : *report.mutable_nodes()) node.clear_verdict();
  EXPECT_THAT(FabricTable(report, {}),
              HasSubstr("and 95 nodes more, 95 without a verdict\n"));
  for (int i = 0; i < 50; ++i) {
    report.mutable_nodes(i)->set_verdict(FABRIC_VERDICT_FAIL);
  }
  EXPECT_THAT(FabricTable(report, {}),
              HasSubstr("and 55 nodes more, 5 of them do not pass, 50 without "
                        "a verdict\n"));
}

TEST(FabricTable, OfManyLimitsShowsTheFirstFew) {
  FabricReport report = PretendReport(FABRIC_GLOO, 2);
  for (uint32_t round = 1; round <= 10; ++round) {
    FabricTest* test = AddPair(&report, round, 0, 1, 50);
    test->set_limit(round);
    test->set_limit_from("half of the median");
  }
  EXPECT_THAT(FabricTable(report, {}),
              HasSubstr("network limit 8.00 GB/s: half of the median\n"
                        "and 2 limits more\n"
                        "\n"));
}

TEST(FabricTable, OfManyRoundsShowsTheFirstFew) {
  FabricReport report = PretendReport(FABRIC_GLOO, 2);
  for (uint32_t round = 1; round <= 14; ++round) {
    AddPair(&report, round, 0, 1, 1);
  }
  EXPECT_THAT(FabricTable(report, {}),
              HasSubstr("   12  network      1       0     0  1 pair of "
                        "neighbours\n"
                        "and 2 rounds more\n"));
}

}  // namespace
}  // namespace muster::fabric
