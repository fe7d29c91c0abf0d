#include "launcher/report_json.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace muster::launcher {
namespace {

Report FromText(const std::string& text) {
  Report report;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &report));
  return report;
}

TEST(ReportJson, ASuccessHasNoCause) {
  const Report report = FromText(R"(
      result: RESULT_SUCCEEDED run_id: "r1" nodes: 2 world_size: 8
      durations { join: 1.23456 run: 12 stop: 0.0004 collect: 0.1 }
      log_bytes: 1200 output_bytes: 18446744073709551615)");
  EXPECT_EQ(ReportToJson(report), R"({
  "result": "succeeded",
  "exit_code": 0,
  "run_id": "r1",
  "attempt": 0,
  "nodes": 2,
  "world_size": 8,
  "others": [],
  "durations": {
    "join": 1.235,
    "fabric": 0.0,
    "start": 0.0,
    "run": 12.0,
    "stop": 0.0,
    "collect": 0.1
  },
  "bytes": {
    "logs": 1200,
    "outputs": 18446744073709551615
  }
}
)");
}

TEST(ReportJson, MissingOutputIsListedByNode) {
  const Report report = FromText(R"(
      result: RESULT_FAILED exit_code: 75
      first_cause { kind: CAUSE_OUTPUT node: 1 host: "b" message: "7 bytes" }
      missing_output { node: 1 host: "b" bytes: 7 message: "7 bytes" })");
  EXPECT_EQ(nlohmann::json::parse(ReportToJson(report))["missing_output"],
            nlohmann::json::parse(R"([{"node": 1, "host": "b", "bytes": 7,
                                       "message": "7 bytes"}])"));
}

TEST(ReportJson, NodesThatFailedTheSelfTestAreListed) {
  const Report report = FromText(R"(
      result: RESULT_SUCCEEDED
      left_out { host: "b" address: "10.0.0.2" why: "b fails" })");
  EXPECT_EQ(nlohmann::json::parse(ReportToJson(report))["left_out"],
            nlohmann::json::parse(R"([{"host": "b", "address": "10.0.0.2",
                                       "why": "b fails"}])"));
  EXPECT_FALSE(
      nlohmann::json::parse(ReportToJson(Report())).contains("left_out"));
}

TEST(ReportJson, AFailureHasEveryFieldOfTheContract) {
  const Report report = FromText(R"(
      result: RESULT_FAILED exit_code: 3 run_id: "r1" attempt: 1 nodes: 2
      world_size: 4
      first_cause { kind: CAUSE_EXIT rank: 0 local_rank: 0 node: 0
                    host: "worker-0" pid: 4242 exit_code: 3
                    at_unix_ms: 1700000000007 message: "rank 0 exited"
                    stderr_tail: "Traceback" stderr_tail: "Error" }
      others { kind: CAUSE_CANCELLED ranks: 1 ranks: 2 count: 2
               message: "stopped" }
      others { kind: CAUSE_NODE_LOST count: 1 })");
  EXPECT_EQ(ReportToJson(report), R"({
  "result": "failed",
  "exit_code": 3,
  "run_id": "r1",
  "attempt": 1,
  "nodes": 2,
  "world_size": 4,
  "first_cause": {
    "kind": "exit",
    "rank": 0,
    "local_rank": 0,
    "node": 0,
    "host": "worker-0",
    "pid": 4242,
    "exit_code": 3,
    "at": "2023-11-14T22:13:20.007Z",
    "message": "rank 0 exited",
    "stderr_tail": [
      "Traceback",
      "Error"
    ]
  },
  "others": [
    {
      "kind": "cancelled",
      "ranks": [
        1,
        2
      ],
      "count": 2
    },
    {
      "kind": "node_lost",
      "ranks": [],
      "count": 1
    }
  ],
  "bytes": {
    "logs": 0,
    "outputs": 0
  }
}
)");
}

TEST(ReportJson, ASignalStandsInPlaceOfAnExitCode) {
  const auto json = nlohmann::json::parse(ReportToJson(FromText(
      "result: RESULT_FAILED first_cause { kind: CAUSE_SIGNAL signal: 9 }")));
  EXPECT_EQ(json["first_cause"],
            nlohmann::json({{"kind", "signal"}, {"signal", 9}}));
  EXPECT_FALSE(json.contains("run_id"));
  EXPECT_FALSE(json.contains("durations"));
}

TEST(ReportJson, BytesThatAreNotUtf8AreReplacedAndTheRestIsKept) {
  Report report;
  report.set_result(RESULT_FAILED);
  Cause* cause = report.mutable_first_cause();
  cause->set_kind(CAUSE_EXIT);
  cause->set_message("bad \xff message");
  cause->add_stderr_tail("cut \xe6\xbc");
  cause->add_stderr_tail(std::string("nul \0 \"quoted\" \x1b[0m\n", 20));
  const auto json = nlohmann::json::parse(ReportToJson(report));
  EXPECT_EQ(json["first_cause"]["message"], "bad \ufffd message");
  EXPECT_EQ(json["first_cause"]["stderr_tail"][0], "cut \ufffd");
  EXPECT_EQ(json["first_cause"]["stderr_tail"][1],
            std::string("nul \0 \"quoted\" \x1b[0m\n", 20));
}

TEST(ReportJson, EveryResultAndKindHasItsWord) {
  for (int result = Result_MIN + 1; result <= Result_MAX; ++result) {
    EXPECT_NE(ResultWord(static_cast<Result>(result)), "unknown") << result;
  }
  for (int kind = CauseKind_MIN + 1; kind <= CauseKind_MAX; ++kind) {
    EXPECT_NE(CauseWord(static_cast<CauseKind>(kind)), "unknown") << kind;
  }
  EXPECT_EQ(CauseWord(CAUSE_NODE_LOST), "node_lost");
  EXPECT_EQ(CauseWord(CAUSE_OUTPUT), "output");
  EXPECT_EQ(ResultWord(RESULT_REFUSED), "refused");
}

}  // namespace
}  // namespace muster::launcher
