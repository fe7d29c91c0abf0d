#include "launcher/report_text.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace muster::launcher {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Report FromText(const std::string& text) {
  Report report;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &report));
  return report;
}

const ReportPaths kPaths = {"runs/r1/logs", "runs/r1/nodes",
                            "runs/r1/report.json", ""};

TEST(ReportText, ASuccessIsShort) {
  const Report report = FromText(R"(
      result: RESULT_SUCCEEDED run_id: "r1" nodes: 2 world_size: 8
      durations { join: 1.25 run: 70.5 } log_bytes: 1234567 output_bytes: 12)");
  EXPECT_EQ(ReportBlock(report, kPaths),
            "muster: run r1 SUCCEEDED: 8 workers on 2 nodes in 1m11s\n"
            "  logs         runs/r1/logs (1.2 MB)\n"
            "  outputs      runs/r1/nodes (12 bytes)\n"
            "  report       runs/r1/report.json\n");
  EXPECT_EQ(ReportLine(report),
            "run r1 succeeded: 8 workers on 2 nodes in 1m11s");
}

TEST(ReportText, AFailureTellsTheWholeStory) {
  const Report report = FromText(R"(
      result: RESULT_FAILED exit_code: 3 run_id: "r1" nodes: 2 world_size: 4
      first_cause { kind: CAUSE_EXIT rank: 3 local_rank: 1 node: 1
                    host: "worker-1" pid: 4242 exit_code: 3
                    message: "the worker raised an error; fix its script"
                    stderr_tail: "Traceback (most recent call last):"
                    stderr_tail: "ValueError: \033[31mbad\377" }
      others { kind: CAUSE_CANCELLED ranks: 0 ranks: 1 ranks: 2 count: 3 }
      durations { join: 1.25 run: 30 stop: 0.5 })");
  ReportPaths paths = kPaths;
  paths.outputs = "";
  paths.first_cause_stderr = "runs/r1/logs/3.stderr";
  EXPECT_EQ(
      ReportBlock(report, paths),
      "muster: run r1 FAILED: 4 workers on 2 nodes in 31.7s\n"
      "  first cause  rank 3 (local rank 1, pid 4242) on node 1 (worker-1) "
      "exited with code 3\n"
      "  why          the worker raised an error; fix its script\n"
      "  stderr       its last 2 lines\n"
      "    | Traceback (most recent call last):\n"
      "    | ValueError: \\x1b[31mbad\\xff\n"
      "  then         3 more: ranks 0-2 stopped by muster\n"
      "  times        join 1.2s, run 30s, stop 500ms\n"
      "  exit code    3: the first failing worker's own code\n"
      "  its stderr   runs/r1/logs/3.stderr\n"
      "  logs         runs/r1/logs (0 bytes)\n"
      "  report       runs/r1/report.json\n");
  EXPECT_EQ(ReportLine(report),
            "run r1 failed: rank 3 (local rank 1, pid 4242) on node 1 "
            "(worker-1) exited with code 3; exit code 3");
}

TEST(ReportText, AKilledWorkerPointsToTheMemory) {
  const Report report = FromText(R"(
      result: RESULT_FAILED exit_code: 137 run_id: "r1"
      first_cause { kind: CAUSE_SIGNAL rank: 0 node: 0 signal: 9 })");
  EXPECT_EQ(ReportBlock(report, {}),
            "muster: run r1 FAILED\n"
            "  first cause  rank 0 on node 0 died of signal 9 (SIGKILL), "
            "possibly the out-of-memory killer\n"
            "  exit code    137: 128 + the signal that killed the first "
            "worker\n");
  const Report segfault = FromText(R"(
      result: RESULT_FAILED exit_code: 139
      first_cause { kind: CAUSE_SIGNAL rank: 0 host: "w" signal: 11 })");
  EXPECT_EQ(ReportLine(segfault),
            "job failed: rank 0 on w died of signal 11 (SIGSEGV); "
            "exit code 139");
  const Report shell = FromText(R"(
      result: RESULT_FAILED exit_code: 137
      first_cause { kind: CAUSE_EXIT rank: 0 exit_code: 137 })");
  EXPECT_THAT(ReportLine(shell),
              HasSubstr("code 137, possibly the out-of-memory killer; exit"));
  const Report real_time = FromText(R"(
      result: RESULT_FAILED exit_code: 170
      first_cause { kind: CAUSE_SIGNAL rank: 0 signal: 42 })");
  EXPECT_THAT(ReportLine(real_time), HasSubstr("died of signal 42; exit"));
}

struct Case {
  const char* cause;
  const char* result;
  int exit_code;
  const char* line;
  const char* meaning;
};

TEST(ReportText, EveryOtherKindHasItsSentence) {
  const Case cases[] = {
      {R"(kind: CAUSE_SPAWN rank: 1 node: 0 host: "a")", "FAILED", 127,
       "failed: rank 1 on node 0 (a) could not be started",
       "the command is not found"},
      {R"(kind: CAUSE_SPAWN rank: 1)", "FAILED", 126,
       "failed: rank 1 could not be started", "the command cannot be executed"},
      {R"(kind: CAUSE_OOM rank: 1)", "FAILED", 137,
       "failed: rank 1 was killed by the kernel: out of memory",
       "128 + the signal that killed the first worker"},
      {R"(kind: CAUSE_NODE_LOST node: 1 host: "b" message: "silent for 5s")",
       "FAILED", 75, "failed: node 1 (b) was lost: silent for 5s",
       "a node was lost: try again elsewhere"},
      {R"(kind: CAUSE_FABRIC)", "FAILED", 76,
       "failed: the fabric failed the self-test", "the self-test failed"},
      {R"(kind: CAUSE_RENDEZVOUS message: "node2 is missing\nlook there")",
       "FAILED", 69, "failed: the rendezvous failed: node2 is missing",
       "the nodes did not all meet or reach each other"},
      {R"(kind: CAUSE_AUTH)", "REFUSED", 77,
       "refused: the token of this node is wrong or missing",
       "refused: wrong or missing token"},
      {R"(kind: CAUSE_CONFIG host: "c" message: "--nnodes is 3, not 2")",
       "REFUSED", 78, "refused: the settings of c differ: --nnodes is 3, not 2",
       "refused: the agents' settings differ"},
      {R"(kind: CAUSE_CONFIG host: "c" message: "--input D=/x: none")",
       "FAILED", 64, "failed: c can't take part: --input D=/x: none",
       "usage: a flag asks for what is not there"},
      {R"(kind: CAUSE_CONFIG host: "c" message: "Open MPI 2.1.1 is too old")",
       "FAILED", 78, "failed: c can't take part: Open MPI 2.1.1 is too old",
       "a node's settings or its Open MPI do not fit the job"},
      {R"(kind: CAUSE_CANCELLED node: 0 host: "a" signal: 15)", "CANCELLED",
       143, "cancelled: signal 15 (SIGTERM) to node 0 (a) ended the job",
       "128 + the signal that ended the job"},
      {"", "FAILED", 70, "failed: muster failed: a fault of muster's own",
       "a fault of muster's own"},
  };
  for (const Case& c : cases) {
    const Report report = FromText(
        absl::StrCat("result: RESULT_", c.result, " exit_code: ", c.exit_code,
                     " first_cause { ", c.cause, " }"));
    EXPECT_EQ(ReportLine(report),
              absl::StrCat("job ", c.line, "; exit code ", c.exit_code));
    EXPECT_THAT(ReportBlock(report, {}),
                AllOf(HasSubstr(absl::StrCat("muster: job ", c.result, "\n")),
                      HasSubstr(absl::StrCat("  exit code    ", c.exit_code,
                                             ": ", c.meaning, "\n"))));
  }
}

TEST(ReportText, MissingOutputIsNotTheWorkersFault) {
  Report report = FromText(R"(
      result: RESULT_FAILED exit_code: 75 run_id: "r1" nodes: 2 world_size: 4
      first_cause { kind: CAUSE_OUTPUT node: 0 host: "a"
                    message: "5 bytes are in /spool/a" }
      missing_output { node: 0 host: "a" message: "5 bytes are in /spool/a" }
      durations { run: 2 })");
  EXPECT_EQ(ReportBlock(report, {}),
            "muster: run r1 FAILED: 4 workers on 2 nodes in 2s\n"
            "  first cause  the workers succeeded, but not all output of node "
            "0 (a) reached the collector\n"
            "  missing      node 0 (a): 5 bytes are in /spool/a\n"
            "  times        run 2s\n"
            "  exit code    75: not all output was collected\n");
  EXPECT_EQ(ReportLine(report),
            "run r1 failed: the workers succeeded, but not all output of node "
            "0 (a) reached the collector: 5 bytes are in /spool/a; exit code "
            "75");
  for (int node = 1; node < 12; ++node) {
    MissingOutput* missing = report.add_missing_output();
    missing->set_node(node);
    missing->set_host("b");
  }
  const std::string block = ReportBlock(report, {});
  EXPECT_THAT(block, HasSubstr("not all output of 12 nodes reached"));
  EXPECT_THAT(block, HasSubstr("  missing      node 7 (b): \n"
                               "  missing      4 more nodes: their logs and "
                               "the report say what\n  times"));
}

TEST(ReportText, MissingOutputComesAfterWhatElseWentWrong) {
  const Report report = FromText(R"(
      result: RESULT_FAILED exit_code: 1
      first_cause { kind: CAUSE_EXIT rank: 0 exit_code: 1 message: "see it" }
      missing_output { node: 1 host: "b" message: "7 bytes" })");
  EXPECT_THAT(ReportBlock(report, {}),
              HasSubstr("  why          see it\n"
                        "  missing      node 1 (b): 7 bytes\n"));
}

TEST(ReportText, NodesThatFailedTheSelfTestAreNamedOnSuccessToo) {
  Report report = FromText(R"(
      result: RESULT_SUCCEEDED run_id: "r1" nodes: 3 world_size: 3
      left_out { host: "b" address: "10.0.0.2" why: "b fails with\033 all" }
      durations { fabric: 1 run: 2 })");
  EXPECT_EQ(ReportBlock(report, {}),
            "muster: run r1 SUCCEEDED: 3 workers on 3 nodes in 3s\n"
            "  left out     b (10.0.0.2): b fails with\\x1b all\n");
  for (int i = 0; i < 9; ++i) report.add_left_out()->set_host("c");
  EXPECT_THAT(ReportBlock(report, {}),
              HasSubstr("  left out     c (): \n"
                        "  left out     2 more nodes: the report says why\n"));
}

TEST(ReportText, ATaskOfTensorflowIsNamed) {
  const Report report = FromText(R"(
      result: RESULT_FAILED exit_code: 3
      first_cause { kind: CAUSE_EXIT rank: 2 local_rank: 0 node: 1 host: "b"
                    pid: 7 exit_code: 3 task_type: "worker" task_index: 1 })");
  EXPECT_EQ(ReportLine(report),
            "job failed: rank 2 (worker 1, local rank 0, pid 7) on node 1 (b) "
            "exited with code 3; exit code 3");
}

TEST(ReportText, ARendezvousThatFailedSaysWhoIsMissing) {
  const Report report = FromText(R"(
      result: RESULT_FAILED exit_code: 69 run_id: "r1"
      first_cause { kind: CAUSE_RENDEZVOUS
                    message: "1 of 2 nodes joined in 10m\n\nhere: node1\rX" })");
  EXPECT_EQ(
      ReportBlock(report, {}),
      "muster: run r1 FAILED\n"
      "  first cause  the rendezvous failed\n"
      "  why          1 of 2 nodes joined in 10m\n"
      "               here: node1\\x0dX\n"
      "  exit code    69: the nodes did not all meet or reach each other\n");
}

TEST(ReportText, OnlyTheLastTwentyLinesOfStderrAreShown) {
  Report report = FromText(
      "result: RESULT_FAILED first_cause { kind: CAUSE_EXIT exit_code: 1 }");
  for (int i = 1; i <= 25; ++i) {
    report.mutable_first_cause()->add_stderr_tail(
        absl::StrCat("line ", i, "."));
  }
  const std::string block = ReportBlock(report, {});
  EXPECT_THAT(block, HasSubstr("  stderr       its last 20 lines\n"
                               "    | line 6.\n"));
  EXPECT_THAT(block, HasSubstr("    | line 25.\n"));
  EXPECT_THAT(block, Not(HasSubstr("line 5.")));
}

TEST(ReportText, ManyOtherCausesStayTwoRows) {
  Report report = FromText(R"(
      result: RESULT_FAILED first_cause { kind: CAUSE_EXIT exit_code: 1 }
      others { kind: CAUSE_EXIT ranks: [1, 2, 3, 7] count: 4 message: "code 1" }
      others { kind: CAUSE_SIGNAL ranks: 9 count: 1 })");
  EXPECT_THAT(
      ReportBlock(report, {}),
      HasSubstr("  then         4 more: ranks 1-3,7 exited with a code other "
                "than 0: code 1\n"
                "  then         1 more: rank 9 died of a signal\n"));
  OtherCauses* lost = report.add_others();
  lost->set_kind(CAUSE_NODE_LOST);
  lost->set_count(10);
  for (uint32_t rank = 20; rank < 40; rank += 2) lost->add_ranks(rank);
  EXPECT_THAT(
      ReportBlock(report, {}),
      HasSubstr("  then         4 more: ranks 1-3,7 exited with a code other "
                "than 0: code 1\n"
                "  then         11 more: signal (rank 9), node_lost (ranks "
                "20,22,24,26,28,30,...)\n"));
}

TEST(ReportText, OnlyTheResultIsColouredAndOnlyWhenAsked) {
  const Report good = FromText("result: RESULT_SUCCEEDED run_id: 'r'");
  EXPECT_EQ(ReportBlock(good, {}, Colour::kOn),
            "muster: run r \x1b[32mSUCCEEDED\x1b[0m\n");
  const Report bad = FromText("result: RESULT_FAILED run_id: 'r'");
  EXPECT_THAT(ReportBlock(bad, {}, Colour::kOn),
              HasSubstr("muster: run r \x1b[31mFAILED\x1b[0m\n"));
  EXPECT_THAT(ReportBlock(bad, {}), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace muster::launcher
