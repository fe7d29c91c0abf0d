// Ends that nobody planned, on one host: signals, stubborn workers, and the
// death of muster's own processes. Whatever happens, nothing is left.
#include <signal.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"
#include "tests/support/muster.h"
#include "tests/support/subprocess.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;

constexpr char kObedient[] =
    "trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.01; done";
constexpr char kStubborn[] =
    "trap 'echo not now' TERM INT; echo ready; while :; do sleep 0.01; done";
// The worker, its child, and a daemon in a session of its own.
constexpr char kFamily[] =
    "setsid sh -c 'exec sleep 1001' & sleep 1002 & echo ready; wait";

class Stop : public ::testing::Test {
 protected:
  // Two workers of one agent, all of which have said "ready".
  void Start(const std::string& script, Flags flags = {}) {
    flags.insert({"--nproc-per-node", "2"});
    StartAs("run", script, flags);
  }
  // The same as two simulated nodes with one worker each.
  void StartSimulated(const std::string& script) {
    StartAs("sim", script, {{"--nnodes", "2"}, {"--nproc-per-node", "1"}});
  }
  void StartAs(const std::string& subcommand, const std::string& script,
               const Flags& flags) {
    agent_ = std::make_unique<Subprocess>(
        Command{.argv = MusterArgv(subcommand, flags, Shell(script)),
                .env = {{"SHARED", directory_.path()}},
                .cwd = directory_.path()});
    ASSERT_TRUE(agent_->WaitForOutput("[0] ready")) << agent_->Text();
    ASSERT_TRUE(agent_->WaitForOutput("[1] ready")) << agent_->Text();
  }
  std::string Log(int rank) const {
    return ReadFile(absl::StrCat(RunDirectory(directory_.path()), "/logs/",
                                 rank, ".stdout"));
  }
  void ExpectCancelled(int signal) const {
    const nlohmann::json report = Report(directory_.path());
    EXPECT_EQ(report.value("result", ""), "cancelled") << agent_->Text();
    EXPECT_EQ(report.value("exit_code", 0), 128 + signal);
    EXPECT_EQ(CauseText(report, "kind"), "cancelled");
  }

  const TempDir directory_;
  std::unique_ptr<Subprocess> agent_;
};

TEST_F(Stop, CtrlCLetsWorkersSaveTheirWork) {
  Start(kObedient);
  agent_->SignalGroup(SIGINT);  // as a terminal does: the keeper gets it too
  EXPECT_EQ(agent_->Wait(), Code(130)) << agent_->Text();
  EXPECT_TRUE(NothingIsLeftOf(*agent_));
  EXPECT_EQ(Log(0), "ready\nsaved\n");
  EXPECT_EQ(Log(1), "ready\nsaved\n");
  ExpectCancelled(SIGINT);
}

TEST_F(Stop, CtrlCTwiceKillsAtOnce) {
  Start(kStubborn, {{"--stop-grace", "10m"}});
  agent_->SignalGroup(SIGINT);
  ASSERT_TRUE(agent_->WaitForOutput("[0] not now")) << agent_->Text();
  ASSERT_TRUE(agent_->WaitForOutput("[1] not now")) << agent_->Text();
  agent_->SignalGroup(SIGINT);
  EXPECT_EQ(agent_->Wait(), Code(130)) << agent_->Text();
  EXPECT_TRUE(NothingIsLeftOf(*agent_));
  ExpectCancelled(SIGINT);
}

TEST_F(Stop, SigtermEndsWith143) {
  Start(kObedient);
  agent_->Signal(SIGTERM);
  EXPECT_EQ(agent_->Wait(), Code(143)) << agent_->Text();
  EXPECT_TRUE(NothingIsLeftOf(*agent_));
  EXPECT_EQ(Log(1), "ready\nsaved\n");
  ExpectCancelled(SIGTERM);
}

TEST_F(Stop, AWorkerThatIgnoresSigtermIsKilledAfterTheGrace) {
  Start(kStubborn, {{"--stop-grace", "300ms"}});
  agent_->Signal(SIGTERM);
  EXPECT_EQ(agent_->Wait(), Code(143)) << agent_->Text();
  EXPECT_TRUE(NothingIsLeftOf(*agent_));
  EXPECT_THAT(Log(0), HasSubstr("not now"));
}

TEST_F(Stop, TheWholeFamilyOfAWorkerIsStopped) {
  Start(kFamily);
  agent_->Signal(SIGTERM);
  EXPECT_EQ(agent_->Wait(), Code(143)) << agent_->Text();
  EXPECT_TRUE(NothingIsLeftOf(*agent_));
}

TEST_F(Stop, ADaemonDoesNotOutliveASuccessfulJob) {
  // The daemon holds the worker's pipes open as well.
  Start("setsid sh -c 'exec sleep 1001' & echo ready; exit 0");
  EXPECT_EQ(agent_->Wait(), Code(0)) << agent_->Text();
  EXPECT_TRUE(NothingIsLeftOf(*agent_));
  EXPECT_EQ(Log(0), "ready\n");
}

TEST_F(Stop, AWorkerThatClosesItsStreamsIsStillAWorker) {
  Start(
      "echo ready; exec >&- 2>&-; touch $SHARED/closed.$RANK;"
      "until [ -e $SHARED/go ]; do sleep 0.01; done; exit 4");
  ASSERT_TRUE(Eventually([&] {
    return Exists(directory_.File("closed.0")) &&
           Exists(directory_.File("closed.1"));
  }));
  EXPECT_EQ(agent_->Wait(absl::Milliseconds(300)), kRunning)
      << "took closed streams for the end" << agent_->Text();
  WriteFile(directory_.File("go"), "");
  EXPECT_EQ(agent_->Wait(), Code(4)) << agent_->Text();
  EXPECT_EQ(Log(0), "ready\n");
}

TEST_F(Stop, NothingOutlivesAKilledAgent) {
  Start(kFamily);
  agent_->Signal(SIGKILL);
  EXPECT_EQ(agent_->Wait(), Killed(SIGKILL));
  EXPECT_TRUE(NothingIsLeftOf(*agent_));
}

TEST_F(Stop, StubbornWorkersDoNotOutliveAKilledAgent) {
  Start(kStubborn, {{"--stop-grace", "300ms"}});
  agent_->Signal(SIGKILL);
  EXPECT_TRUE(NothingIsLeftOf(*agent_));
}

TEST_F(Stop, NothingOutlivesAKilledKeeper) {
  Start(kFamily);
  const Process keeper = agent_->FindInFamily("muster-keeper");
  ASSERT_NE(keeper.pid, 0);
  kill(keeper.pid, SIGKILL);
  const ExitStatus status = agent_->Wait();
  EXPECT_EQ(status.kind, ExitStatus::Kind::kCode) << agent_->Text();
  EXPECT_NE(status, Code(0)) << agent_->Text();
  EXPECT_TRUE(NothingIsLeftOf(*agent_));
  EXPECT_EQ(Report(directory_.path()).value("result", ""), "failed")
      << agent_->Text();
}

TEST_F(Stop, CtrlCEndsASimulation) {
  StartSimulated(kObedient);
  agent_->SignalGroup(SIGINT);
  EXPECT_EQ(agent_->Wait(), Code(130)) << agent_->Text();
  EXPECT_TRUE(NothingIsLeftOf(*agent_));
  EXPECT_EQ(Log(0), "ready\nsaved\n");
  EXPECT_EQ(Log(1), "ready\nsaved\n");
  ExpectCancelled(SIGINT);
}

TEST_F(Stop, NothingOutlivesAKilledSimulation) {
  StartSimulated(kFamily);
  agent_->Signal(SIGKILL);
  EXPECT_TRUE(NothingIsLeftOf(*agent_));
}

TEST_F(Stop, AStoppedWorkerIsStoppedForGood) {
  // A worker that SIGSTOP froze cannot react to SIGTERM.
  Start("echo ready; kill -STOP $$; sleep 1000", {{"--stop-grace", "300ms"}});
  agent_->Signal(SIGTERM);
  EXPECT_EQ(agent_->Wait(), Code(143)) << agent_->Text();
  EXPECT_TRUE(NothingIsLeftOf(*agent_));
}

}  // namespace
}  // namespace muster::test
