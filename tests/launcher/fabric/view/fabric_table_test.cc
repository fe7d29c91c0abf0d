#include "launcher/fabric/fabric_table.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/fabric/view/pretend_report.h"

namespace muster::fabric {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace test;  // NOLINT: the reports

TEST(FabricTable, OfThreeHealthyNodesIsShort) {
  EXPECT_EQ(
      FabricTable(ThreeNodes(), {}),
      "Self-test with Gloo (the nodes have no GPUs)\n"
      "\n"
      "NODE  HOST   ADDRESS   PAIRS  FAILED  MEDIAN GB/s  WORST GB/s  VERDICT\n"
      "   0  host1  10.0.0.1      2       0         1.23        1.20  pass\n"
      "   1  host2  10.0.0.2      1       0         1.25        1.25  pass\n"
      "   2  host3  10.0.0.3      1       0         1.20        1.20  pass\n"
      "\n"
      "ROUND  PHASE    TESTS  FAILED  SLOW  WHAT\n"
      "    1  network      1       0     0  1 pair of neighbours\n"
      "    2  network      1       0     0  1 pair of neighbours\n"
      "    3  world        1       0     0  all together\n"
      "\n"
      "ROUND  TOGETHER        SIZE  TIME ms  ALGBW GB/s  BUSBW GB/s  LIMIT "
      "GB/s  VERDICT\n"
      "    1  host1 - host2  4 MiB     3.36        1.25        1.25        "
      "0.60  pass\n"
      "    2  host1 - host3  4 MiB     3.50        1.20        1.20        "
      "0.60  pass\n"
      "    3  all 3 nodes    4 MiB     6.21        0.68        0.90           "
      "-  pass\n"
      "\n"
      "PASS  3 nodes, Gloo, 3 rounds, 1.4 s\n");
}

TEST(FabricTable, OfABrokenLinkSaysWhatIsKnownAndWhatToDo) {
  const std::string table = FabricTable(BrokenLink(), {.columns = 80});
  EXPECT_THAT(
      table,
      HasSubstr("   0  host1  10.0.0.1      3       2         1.25        1.25 "
                " warn\n"
                "   1  host2  10.0.0.2      2       0         1.25        1.25 "
                " pass\n"));
  EXPECT_THAT(table, HasSubstr("    3  host1 - host3      -        -           "
                               "-           -           -  fail: timeout\n"));
  EXPECT_THAT(
      table,
      EndsWith("\n"
               "\n"
               "FAIL  link host1 - host3 (confirmed)\n"
               "      the link between host1 and host3 fails; both are well "
               "with others\n"
               "      - round 1, host1 - host3: host3 timed out while "
               "connecting: no answer from\n"
               "        10.0.0.1 within 2 s; log /tmp/probe.log of host3\n"
               "      next: on host1: ping -c 3 10.0.0.3\n"
               "\n"
               "FAIL  4 nodes, Gloo, 3 rounds, 1.4 s: 1 failure\n"));
}

// Two nodes of two GPUs; GPU 1 of host2 is dead.
FabricReport DeadGpu() {
  FabricReport report = PretendReport(FABRIC_NCCL, 2, 2);
  for (uint32_t slot = 0; slot < 3; ++slot) {
    AddTest(&report, FABRIC_PHASE_SOLO, 1, {{slot / 2, slot % 2}}, 1520)
        ->set_what("every GPU by itself");
  }
  FabricTest* dead = AddTest(&report, FABRIC_PHASE_SOLO, 1, {{1, 1}}, 1);
  Fail(dead, FABRIC_FAILURE_WRONG, FABRIC_STAGE_MEMORY, 0, "");
  AddTest(&report, FABRIC_PHASE_LOCAL, 2, {{0, 0}, {0, 1}}, 361.5)
      ->set_what("each node's GPUs together");
  FabricFinding* finding =
      AddFinding(&report, FABRIC_VERDICT_FAIL, FABRIC_PHASE_SOLO,
                 FABRIC_CULPRIT_GPU, FABRIC_CONFIDENCE_CONFIRMED, {1},
                 "host2 GPU 1 fails by itself: wrong data (3 elements)");
  finding->add_gpus()->set_node(1);
  finding->mutable_gpus(0)->set_gpu(1);
  finding->set_device("GPU-2-1, 0000:2b:00.0");
  report.mutable_nodes(1)->set_verdict(FABRIC_VERDICT_FAIL);
  for (FabricNode& node : *report.mutable_nodes()) {
    node.mutable_inventory()->set_nccl_version(22809);
    node.mutable_inventory()->set_nccl_library("/usr/lib/libnccl.so.2");
    node.mutable_inventory()->set_nccl_origin("the system's");
  }
  return report;
}

TEST(FabricTable, OfGpusHasARowForEach) {
  EXPECT_EQ(
      FabricTable(DeadGpu(), {}),
      "Self-test with NCCL (--fabric-check)\n"
      "NCCL 2.28.9 of /usr/lib/libnccl.so.2 (the system's) on 2 nodes\n"
      "\n"
      "NODE  HOST   GPU  NAME            SOLO GB/s  LOCAL GB/s  NETWORK GB/s  "
      "VERDICT\n"
      "   0  host1    0  H100 80GB HBM3       1520         362             -  "
      "pass\n"
      "   0  host1    1  H100 80GB HBM3       1520         362             -  "
      "pass\n"
      "   1  host2    0  H100 80GB HBM3       1520           -             -  "
      "pass\n"
      "   1  host2    1  H100 80GB HBM3     failed           -             -  "
      "fail\n"
      "\n"
      "ROUND  PHASE  TESTS  FAILED  SLOW  WHAT\n"
      "    1  solo       4       1     0  every GPU by itself\n"
      "    2  local      1       0     0  each node's GPUs together\n"
      "\n"
      "FAIL  gpu host2 GPU 1, GPU-2-1, 0000:2b:00.0 (confirmed)\n"
      "      host2 GPU 1 fails by itself: wrong data (3 elements)\n"
      "\n"
      "FAIL  2 nodes, NCCL, 2 rounds, 1.4 s: 1 failure\n");
}

TEST(FabricTable, ShowsTheWorstRailOfAPairAndEachPairOfGpusThatWasTried) {
  FabricReport report = PretendReport(FABRIC_NCCL, 2, 3);
  AddTest(&report, FABRIC_PHASE_LOCAL, 1, {{0, 0}, {0, 1}, {0, 2}}, 30)
      ->set_verdict(FABRIC_VERDICT_WARN);
  AddTest(&report, FABRIC_PHASE_LOCAL, 2, {{0, 1}, {0, 2}}, 300);
  AddPair(&report, 3, 0, 1, 48.1, 0);
  AddPair(&report, 3, 0, 1, 12.5, 1)->set_verdict(FABRIC_VERDICT_WARN);
  AddPair(&report, 3, 0, 1, 48.0, 2);
  AddTest(&report, FABRIC_PHASE_WORLD, 4, {{0, 0}, {0, 1}, {1, 0}, {1, 1}}, 90);
  const std::string table = FabricTable(report, {});
  EXPECT_THAT(
      table,
      HasSubstr(
          "    2  host1, GPU 1 - 2      4 MiB    0.014         300         300 "
          "          -  pass\n"
          "    3  host1 - host2, GPU 1  4 MiB     0.34        12.5        12.5 "
          "          -  warn: slow\n"
          "    4  all 2 nodes, 4 GPUs   4 MiB    0.070        60.0        90.0 "
          "          -  pass\n"));
  EXPECT_THAT(table, Not(HasSubstr("GPU 0  4 MiB")));
  EXPECT_THAT(table, HasSubstr("    3  network      3       0     1"));
}

TEST(FabricTable, NamesTheTwoOfAPairAndNobodyForTheFabric) {
  FabricReport report = PretendReport(FABRIC_GLOO, 2);
  AddFinding(&report, FABRIC_VERDICT_FAIL, FABRIC_PHASE_NETWORK,
             FABRIC_CULPRIT_PAIR, FABRIC_CONFIDENCE_AMBIGUOUS, {0, 1},
             "host1 and host2 fail together");
  AddFinding(&report, FABRIC_VERDICT_WARN, FABRIC_PHASE_WORLD,
             FABRIC_CULPRIT_FABRIC, FABRIC_CONFIDENCE_AMBIGUOUS, {},
             "all nodes together are slow")
      ->set_next("run muster check --exhaustive");
  AddFinding(&report, FABRIC_VERDICT_WARN, FABRIC_PHASE_NETWORK,
             FABRIC_CULPRIT_LINK, FABRIC_CONFIDENCE_PROBABLE, {0, 1},
             "host1 and host2 failed together once");
  report.add_notes("speed was not judged: the nodes are all on this machine");
  EXPECT_THAT(
      FabricTable(report, {}),
      EndsWith("FAIL  pair host1 - host2 (ambiguous)\n"
               "      host1 and host2 fail together\n"
               "\n"
               "WARN  fabric (ambiguous)\n"
               "      all nodes together are slow\n"
               "      next: run muster check --exhaustive\n"
               "\n"
               "WARN  link host1 - host2 (probable)\n"
               "      host1 and host2 failed together once\n"
               "\n"
               "note: speed was not judged: the nodes are all on this machine\n"
               "\n"
               "FAIL  2 nodes, Gloo, 0 rounds, 1.4 s: 1 failure, 2 "
               "warnings\n"));
}

TEST(FabricTable, NamesTheLinkBetweenTwoGpusOfANode) {
  FabricReport report = PretendReport(FABRIC_NCCL, 1, 4);
  FabricFinding* finding =
      AddFinding(&report, FABRIC_VERDICT_FAIL, FABRIC_PHASE_LOCAL,
                 FABRIC_CULPRIT_LINK, FABRIC_CONFIDENCE_CONFIRMED, {0}, "no");
  finding->add_gpus()->set_gpu(1);
  finding->add_gpus()->set_gpu(3);
  const std::string table = FabricTable(report, {});
  EXPECT_THAT(table, HasSubstr("FAIL  link host1 GPU 1 - GPU 3 (confirmed)\n"));
  EXPECT_THAT(table, HasSubstr("  3  H100 80GB HBM3          -           -     "
                               "        -  fail\n"));
  EXPECT_THAT(table, HasSubstr("  2  H100 80GB HBM3          -           -     "
                               "        -  none\n"));
}

TEST(FabricTable, SaysOnceWhereEachLimitCameFrom) {
  FabricReport report = ThreeNodes();
  for (int i : {0, 1}) {
    report.mutable_tests(i)->set_limit_from("half of the median of 2 pairs");
  }
  report.mutable_tests(2)->set_limit_from("fewer than 3 to compare with");
  EXPECT_THAT(FabricTable(report, {.columns = 40}),
              HasSubstr("all 3 nodes    4 MiB     6.21        0.68        0.90 "
                        "          -  pass\n"
                        "\n"
                        "network limit 0.60 GB/s: half of the\n"
                        "                         median of 2\n"
                        "                         pairs\n"
                        "no world limit: fewer than 3 to compare\n"
                        "                with\n"
                        "\n"
                        "PASS"));
}

TEST(FabricTable, AWarningIsTheVerdictOfAllThatWorks) {
  FabricReport report = ThreeNodes();
  AddFinding(&report, FABRIC_VERDICT_WARN, FABRIC_PHASE_NETWORK,
             FABRIC_CULPRIT_NODE, FABRIC_CONFIDENCE_PROBABLE, {1}, "slow");
  EXPECT_THAT(FabricTable(report, {}),
              EndsWith("\nWARN  3 nodes, Gloo, 3 rounds, 1.4 s: 1 warning\n"));
}

TEST(FabricTable, WhatIsSaidOfANodeIsSaidOfItsGpusAndUntestedOnesPassNothing) {
  FabricReport report = PretendReport(FABRIC_NCCL, 2, 2);
  AddFinding(&report, FABRIC_VERDICT_WARN, FABRIC_PHASE_INVENTORY,
             FABRIC_CULPRIT_CONFIG, FABRIC_CONFIDENCE_CONFIRMED, {1}, "odd");
  const std::string table = FabricTable(report, {});
  const std::string rest =
      "  H100 80GB HBM3          -           -            "
      " -  ";
  for (const char* gpu : {"0", "1"}) {
    EXPECT_THAT(table,
                HasSubstr(absl::StrCat("0  host1    ", gpu, rest, "none\n")));
    EXPECT_THAT(table,
                HasSubstr(absl::StrCat("1  host2    ", gpu, rest, "warn\n")));
  }
}

TEST(FabricTable, NothingThatATerminalWouldActOnComesFromElsewhere) {
  FabricReport report = BrokenLink();
  report.mutable_nodes(0)->set_host("ho\x1b[2Jst");
  report.mutable_findings(0)->set_message("two\nlines\x07");
  report.mutable_findings(0)->set_evidence(0, "\xff");
  report.add_notes("\r");
  const std::string table = FabricTable(report, {.heat_map = true});
  EXPECT_THAT(table, HasSubstr("ho\\x1b[2Jst - host3"));
  EXPECT_THAT(table, HasSubstr("two\\x0alines\\x07"));
  EXPECT_THAT(table, HasSubstr("- \\xff\n"));
  EXPECT_THAT(table, HasSubstr("note: \\x0d\n"));
  for (const char byte : table) {
    EXPECT_TRUE(byte == '\n' || (byte >= ' ' && byte < 0x7f)) << int{byte};
  }
}

TEST(FabricTable, VerdictsAreColouredOnlyWhenAsked) {
  const std::string table = FabricTable(BrokenLink(), {.colour = true});
  EXPECT_THAT(table, HasSubstr("\x1b[32mpass\x1b[0m\n"));
  EXPECT_THAT(table, HasSubstr("\x1b[33mwarn\x1b[0m\n"));
  EXPECT_THAT(table, HasSubstr("\x1b[31mfail: timeout\x1b[0m\n"));
  EXPECT_THAT(table, HasSubstr("\n\x1b[31mFAIL\x1b[0m  4 nodes"));
  EXPECT_THAT(FabricTable(BrokenLink(), {.heat_map = true}),
              Not(HasSubstr("\x1b")));
}

TEST(FabricTable, WhatWasNotTestedDoesNotPass) {
  FabricReport report = PretendReport(FABRIC_OFF, 1);
  report.set_kind_from("one node without GPUs has nothing to test");
  report.add_notes(report.kind_from());
  EXPECT_THAT(FabricTable(report, {}),
              AllOf(EndsWith("\n\nNOT TESTED  1 node, 0 rounds, 1.4 s: one "
                             "node without GPUs has nothing to test\n"),
                    Not(HasSubstr("note:"))));
  FabricReport cut = ThreeNodes();
  cut.set_verdict(FABRIC_VERDICT_UNSPECIFIED);
  EXPECT_THAT(FabricTable(cut, {}),
              EndsWith("\nCUT SHORT  3 nodes, Gloo, 3 rounds, 1.4 s\n"));
}

}  // namespace
}  // namespace muster::fabric
