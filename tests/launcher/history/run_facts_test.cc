#include "launcher/history/run_facts.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::history {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kRun[] = R"({"run_id": "r", "job_id": "digits",
  "started_at": "2026-01-02T03:04:05.006Z", "command": ["python", "x.py"],
  "nnodes": "2:2", "nodes": [{"node": 1, "host": "b", "address": "10.0.0.2",
  "gpus": 8, "ranks": [2, 3]}], "world_size": 4})";
constexpr char kReport[] = R"({"result": "failed", "exit_code": 3,
  "first_cause": {"kind": "exit", "rank": 2},
  "durations": {"join": 0.5, "run": 2}, "bytes": {"logs": 7, "outputs": 8}})";

RunSummary Summary(const std::string& run, const std::string& report) {
  RunSummary summary;
  summary.set_run_id("r");
  summary.set_run_json(run);
  summary.set_report_json(report);
  return summary;
}

RunFacts Begun(const std::string& id, int started) {
  RunFacts run;
  run.run_id = id;
  if (started > 0) run.started = absl::FromUnixSeconds(started);
  return run;
}

TEST(RunFacts, AreWhatTheFilesSay) {
  const RunFacts run = ToFacts(Summary(kRun, kReport));
  EXPECT_EQ(run.job_id, "digits");
  EXPECT_THAT(run.command, ElementsAre("python", "x.py"));
  EXPECT_EQ(run.started, absl::FromUnixMillis(1767323045006));
  EXPECT_EQ(run.state, "failed");
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_EQ(run.wanted_nodes, "2");
  EXPECT_EQ(run.world_size, 4u);
  ASSERT_EQ(run.nodes.size(), 1u);
  EXPECT_EQ(run.nodes[0].host, "b");
  EXPECT_THAT(run.nodes[0].ranks, ElementsAre(2u, 3u));
  EXPECT_EQ(run.Took(absl::Now()), absl::Milliseconds(2500));
  EXPECT_EQ(run.first_cause["rank"], 2);
}

TEST(RunFacts, ARunWithoutAReportGoesOn) {
  const RunFacts run = ToFacts(Summary(kRun, ""));
  EXPECT_EQ(run.state, "running");
  EXPECT_FALSE(run.is_over());
  EXPECT_EQ(run.Took(*run.started + absl::Seconds(9)), absl::Seconds(9));
  EXPECT_EQ(run.Took(*run.started - absl::Seconds(9)), absl::ZeroDuration());
}

TEST(RunFacts, OfWhatDeadAgentsLeftThereIsNoRecord) {
  const RunFacts run = ToFacts(Summary("", ""));
  EXPECT_EQ(run.state, "no record");
  EXPECT_FALSE(run.Took(absl::Now()));
}

TEST(RunFacts, OutputThatIsMissingIsToldByNode) {
  const RunFacts run = ToFacts(Summary(kRun, R"({"result": "failed",
      "missing_output": [{"node": 1, "host": "b", "message": "7 bytes"}, 7]})"));
  EXPECT_THAT(run.missing_output,
              ElementsAre("node 1 (b): 7 bytes", "node 0 (): "));
}

TEST(RunFacts, NodesThatWereLeftOutAreNamed) {
  const RunFacts run = ToFacts(Summary(kRun, R"({"result": "succeeded",
      "left_out": [{"host": "c", "address": "10.0.0.3", "why": "slow"}]})"));
  EXPECT_THAT(run.left_out, ElementsAre("c (10.0.0.3): slow"));
}

TEST(SelfTestFacts, AreTheVerdictAndTheFindings) {
  const auto test = ToSelfTest(R"({"kind": "gloo", "verdict": "fail",
      "seconds": 1.4, "rounds": 3, "nodes": [{"node": 0, "tests": [1]}],
      "tests": [{"findings": 1}],
      "findings": [{"message": "b fails", "nodes": [1]}, 7],
      "notes": ["n"]})");
  ASSERT_TRUE(test);
  EXPECT_EQ(test->verdict, "fail");
  EXPECT_EQ(test->kind, "gloo");
  EXPECT_EQ(test->rounds, 3u);
  EXPECT_EQ(test->seconds, 1.4);
  EXPECT_THAT(test->findings, ElementsAre("b fails", ""));
  EXPECT_EQ(test->json, nlohmann::ordered_json::parse(
                            R"({"kind": "gloo", "verdict": "fail",
      "seconds": 1.4, "rounds": 3,
      "findings": [{"message": "b fails", "nodes": [1]}, 7],
      "notes": ["n"]})"));
}

TEST(SelfTestFacts, OfTextThatIsNotWhatItShouldBeAreNone) {
  for (const char* text :
       {"", "{", "[]", "null", "\xff", "7", "{}", R"({"verdict": 7})"}) {
    EXPECT_FALSE(ToSelfTest(text)) << text;
  }
  const auto test = ToSelfTest(R"({"verdict": "pass", "seconds": "x",
      "rounds": -1, "findings": {}})");
  ASSERT_TRUE(test);
  EXPECT_EQ(test->rounds, 0u);
}

TEST(RunFacts, FilesThatAreNotWhatTheyShouldBeSayNothing) {
  for (const char* text :
       {"", "{", "[]", "null", "\xff", "7",
        R"({"nodes": 7, "command": {}, "nnodes": [],
                               "started_at": "soon", "world_size": -1})",
        R"({"nodes": [7, {"ranks": "x"}, {"node": "y"}]})"}) {
    const RunFacts run = ToFacts(Summary(text, text));
    EXPECT_EQ(run.run_id, "r");
    EXPECT_FALSE(run.started) << text;
    EXPECT_FALSE(run.world_size) << text;
  }
  EXPECT_EQ(ToFacts(Summary("", "{}")).state, "unknown");
}

TEST(ChooseRun, TakesAnIdOrTheBeginningOfOneOrTheLatest) {
  std::vector<RunFacts> runs = {Begun("old", 1), Begun("job-1", 5),
                                Begun("job-1-b", 3), Begun("not-yet", 0)};
  SortByStart(&runs);
  EXPECT_EQ(*ChooseRun("job-1", runs), "job-1");
  EXPECT_EQ(*ChooseRun("job-1-", runs), "job-1-b");
  EXPECT_EQ(*ChooseRun("o", runs), "old");
  EXPECT_EQ(*ChooseRun("latest", runs), "job-1");
  EXPECT_EQ(runs.back().run_id, "not-yet");
  runs.push_back(Begun("latest", 2));
  EXPECT_EQ(*ChooseRun("latest", runs), "latest") << "an id comes first";
}

TEST(ChooseRun, SaysWhatElseThereIs) {
  const std::vector<RunFacts> runs = {Begun("train-1", 3), Begun("train-2", 2),
                                      Begun("eval", 1)};
  const absl::Status several = ChooseRun("train", runs).status();
  EXPECT_EQ(several.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(several.message(), HasSubstr("train-1, train-2"));
  const absl::Status none = ChooseRun("evil", runs).status();
  EXPECT_EQ(none.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(none.message(), HasSubstr("the nearest are eval, "));
  EXPECT_EQ(ChooseRun("", runs).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ChooseRun("x", {}).status().message(), "there are no runs");
}

}  // namespace
}  // namespace muster::history
