// How a job ends: exit code, first cause and report.
#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"
#include "tests/support/muster.h"
#include "tests/support/subprocess.h"

namespace muster::test {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class SimVerdict : public ::testing::Test {
 protected:
  Subprocess& Start(const std::string& script, Flags flags = {}) {
    flags.insert({{"--nnodes", "2"},
                  {"--nproc-per-node", "2"},
                  {"--report", directory_.File("verdict.json")}});
    sim_ = std::make_unique<Subprocess>(
        Command{.argv = MusterArgv("sim", flags, Shell(script)),
                .env = {{"SHARED", directory_.path()}},
                .cwd = directory_.path()});
    return *sim_;
  }
  json ReportOfRun() const { return Report(directory_.path()); }

  const TempDir directory_;
  std::unique_ptr<Subprocess> sim_;
};

TEST_F(SimVerdict, SuccessIsReportedInFull) {
  EXPECT_EQ(Start("echo hello").Wait(), Code(0)) << sim_->Text();
  json report = ReportOfRun();
  EXPECT_EQ(report["result"], "succeeded");
  EXPECT_EQ(report["exit_code"], 0);
  EXPECT_EQ(report["attempt"], 0);
  EXPECT_EQ(report["nodes"], 2);
  EXPECT_EQ(report["world_size"], 4);
  EXPECT_EQ(RunDirectory(directory_.path()),
            absl::StrCat(directory_.path(), "/muster-runs/",
                         report.value("run_id", "")));
  EXPECT_FALSE(report.contains("first_cause") &&
               !report["first_cause"].is_null());
  for (const char* phase : {"join", "start", "run", "stop", "collect"}) {
    EXPECT_GE(report["durations"].value(phase, -1.0), 0.0) << phase;
  }
  EXPECT_EQ(report["bytes"]["logs"], 4 * 6);
  EXPECT_EQ(report["bytes"]["outputs"], 0);
  EXPECT_EQ(ReadJson(directory_.File("verdict.json")), report);
}

class KeptCode : public SimVerdict,
                 public ::testing::WithParamInterface<int> {};

TEST_P(KeptCode, IsTheJobsExitCode) {
  const int code = GetParam();
  Start(absl::StrCat("[ $RANK != 2 ] || exit ", code));
  EXPECT_EQ(sim_->Wait(), Code(code)) << sim_->Text();
  json report = ReportOfRun();
  EXPECT_EQ(report["result"], "failed");
  EXPECT_EQ(report["exit_code"], code);
  EXPECT_EQ(CauseText(report, "kind"), "exit");
  EXPECT_EQ(CauseText(report, "rank"), "2");
  EXPECT_EQ(CauseText(report, "local_rank"), "0");
  EXPECT_EQ(CauseText(report, "node"), "1");
  EXPECT_EQ(CauseText(report, "exit_code"), absl::StrCat(code));
  EXPECT_EQ(CauseText(report, "signal"), "");
}

INSTANTIATE_TEST_SUITE_P(Codes, KeptCode,
                         ::testing::Values(1, 3, 63, 64, 78, 79, 125, 200),
                         ::testing::PrintToStringParamName());

class KeptSignal : public SimVerdict,
                   public ::testing::WithParamInterface<int> {};

TEST_P(KeptSignal, Is128PlusItsNumber) {
  const int signal = GetParam();
  Start(absl::StrCat("[ $RANK != 1 ] || kill -", signal, " $$"));
  EXPECT_EQ(sim_->Wait(), Code(128 + signal)) << sim_->Text();
  json report = ReportOfRun();
  EXPECT_EQ(CauseText(report, "kind"), "signal");
  EXPECT_EQ(CauseText(report, "rank"), "1");
  EXPECT_EQ(CauseText(report, "signal"), absl::StrCat(signal));
  EXPECT_EQ(CauseText(report, "exit_code"), "");
}

INSTANTIATE_TEST_SUITE_P(Signals, KeptSignal,
                         ::testing::Values(SIGKILL, SIGSEGV, SIGTERM, SIGUSR1),
                         ::testing::PrintToStringParamName());

TEST_F(SimVerdict, TheFirstFailureIsNamedWithItsLastTwentyLines) {
  Start(
      "if [ $RANK = 3 ]; then seq -f 'line %g' 30 >&2; exit 9; fi;"
      "exec sleep 1000");
  EXPECT_EQ(sim_->Wait(), Code(9)) << sim_->Text();
  json report = ReportOfRun();
  EXPECT_EQ(CauseText(report, "rank"), "3");
  EXPECT_NE(CauseText(report, "host"), "");
  EXPECT_GT(report["first_cause"].value("pid", 0), 0);
  std::vector<std::string> expected;
  for (int i = 11; i <= 30; ++i) expected.push_back(absl::StrCat("line ", i));
  EXPECT_EQ(report["first_cause"]["stderr_tail"], json(expected));
  // People see it as well.
  EXPECT_THAT(sim_->Err(), AllOf(HasSubstr("rank 3"), HasSubstr("line 30")));
}

TEST_F(SimVerdict, OneFailingWorkerStopsAllTheOthers) {
  Start("if [ $RANK = 2 ]; then exit 5; fi; exec sleep 1000");
  EXPECT_EQ(sim_->Wait(), Code(5)) << sim_->Text();
  EXPECT_TRUE(
      Eventually([&] { return sim_->Family().empty(); }, absl::Seconds(1)))
      << sim_->Family().front();
}

TEST_F(SimVerdict, TheFirstCauseIsKeptWhenTheStoppedOnesFailToo) {
  // Rank 1 fails when the other three have their traps set.
  Start(
      "trap 'exit 44' TERM; cd $SHARED; touch ready.$RANK;"
      "if [ $RANK = 1 ]; then"
      "  until [ -e ready.0 -a -e ready.2 -a -e ready.3 ]; do :; done; exit 33;"
      "fi; while :; do sleep 0.01; done");
  EXPECT_EQ(sim_->Wait(), Code(33)) << sim_->Text();
  json report = ReportOfRun();
  EXPECT_EQ(CauseText(report, "rank"), "1");
  EXPECT_EQ(CauseText(report, "exit_code"), "33");
}

TEST_F(SimVerdict, TheReportOfACommandThatIsNotThereSaysWhichRanks) {
  Subprocess sim(
      {.argv = MusterArgv("sim", {{"--nnodes", "2"}, {"--nproc-per-node", "2"}},
                          {"no-such-program"}),
       .cwd = directory_.path()});
  EXPECT_EQ(sim.Wait(), Code(127)) << sim.Text();
  json report = ReportOfRun();
  EXPECT_EQ(report["result"], "failed");
  EXPECT_EQ(CauseText(report, "kind"), "spawn");
  EXPECT_THAT(CauseText(report, "message"), HasSubstr("no-such-program"));
}

TEST_F(SimVerdict, SixteenNodesRunAsTwoDo) {
  Start("echo $RANK of $WORLD_SIZE",
        {{"--nnodes", "16"}, {"--nproc-per-node", "1"}});
  EXPECT_EQ(sim_->Wait(), Code(0)) << sim_->Text();
  for (int rank = 0; rank < 16; ++rank) {
    EXPECT_THAT(sim_->Out(), HasSubstr(absl::StrCat("] ", rank, " of 16\n")));
  }
  EXPECT_EQ(ReportOfRun()["nodes"], 16);
}

}  // namespace
}  // namespace muster::test
