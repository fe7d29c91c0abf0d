// Jobs that a real mpirun starts, on simulated nodes.
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
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
using ::testing::Not;

// 64 nodes are a few hundred processes.
constexpr absl::Duration kManyNodes = absl::Seconds(60);

class SimMpi : public ::testing::Test {
 protected:
  // Killed, the job's keepers could not remove what is in shared memory.
  void TearDown() override {
    if (!sim_ || sim_->Wait(absl::ZeroDuration()) != kRunning) return;
    sim_->Signal(SIGTERM);
    sim_->Signal(SIGTERM);
    EXPECT_NE(sim_->Wait(), kRunning) << sim_->Text();
  }

  Subprocess& Start(const std::vector<std::string>& command, Flags flags = {},
                    std::map<std::string, std::string> env = {}) {
    flags.insert({{"--framework", "mpi"},
                  {"--nnodes", "2"},
                  {"--nproc-per-node", "2"},
                  {"--stop-grace", "10s"}});
    sim_ = std::make_unique<Subprocess>(
        Command{.argv = MusterArgv("sim", flags, command),
                .env = std::move(env),
                .cwd = directory_.path()});
    return *sim_;
  }
  Subprocess& Start(const std::string& script, Flags flags = {}) {
    return Start(Shell(script), std::move(flags));
  }
  // Ranks that say "up" and wait; returns when all four have.
  void StartHolding() {
    Start("echo up; exec sleep 1000");
    for (int rank = 0; rank < 4; ++rank) {
      ASSERT_TRUE(sim_->WaitForOutput(absl::StrCat("[", rank, "] up")))
          << sim_->Text();
    }
  }
  json ReportOfRun() const { return Report(directory_.path()); }
  std::string Log(const std::string& name) const {
    return ReadFile(RunDirectory(directory_.path()) + "/logs/" + name);
  }
  void ExpectNothingIsLeft() {
    EXPECT_TRUE(NothingIsLeftOf(*sim_)) << sim_->Text();
  }
  // `muster rsh` as somebody beside the job would type it.
  Command Rsh(const std::vector<std::string>& words) {
    const Process mpirun = sim_->FindInFamily("mpirun");
    std::string agent;
    const std::vector<std::string> environment = absl::StrSplit(
        ReadFile(absl::StrCat("/proc/", mpirun.pid, "/environ")), '\0');
    for (const std::string& entry : environment) {
      if (entry.starts_with("MUSTER_AGENT_SOCKET=")) {
        agent = entry.substr(entry.find('=') + 1);
      }
    }
    EXPECT_NE(agent, "");
    Command command{.argv = {MusterBinary(), "rsh"},
                    .env = {{"MUSTER_AGENT_SOCKET", agent}}};
    command.argv.insert(command.argv.end(), words.begin(), words.end());
    return command;
  }

  // A program of that name, first in the PATH that this returns.
  std::string PathWith(const std::string& name, const std::string& script) {
    const std::string directory = directory_.Dir("bin");
    WriteProgram(directory + "/" + name, script);
    return directory + ":/usr/local/bin:/usr/bin:/bin";
  }

  const TempDir directory_;
  std::unique_ptr<Subprocess> sim_;
};

TEST_F(SimMpi, NumbersTheRanksNodeByNodeAndKeepsALogForEach) {
  Start(
      "echo $OMPI_COMM_WORLD_RANK of $OMPI_COMM_WORLD_SIZE local "
      "$OMPI_COMM_WORLD_LOCAL_RANK of $OMPI_COMM_WORLD_LOCAL_SIZE node "
      "$NODE_RANK; echo error $RANK >&2");
  ASSERT_EQ(sim_->Wait(), Code(0)) << sim_->Text();
  for (int rank = 0; rank < 4; ++rank) {
    EXPECT_EQ(Log(absl::StrCat(rank, ".stdout")),
              absl::StrCat(rank, " of 4 local ", rank % 2, " of 2 node ",
                           rank / 2, "\n"));
    EXPECT_EQ(Log(absl::StrCat(rank, ".stderr")),
              absl::StrCat("error ", rank, "\n"));
  }
  ExpectNothingIsLeft();
}

TEST_F(SimMpi, StartsEachRankInItsOwnNodesDirectoryWithItsArguments) {
  Start({"/bin/sh", "-c", "pwd; echo \"$0|$1\"", "a b\"c'd", "$RANK"});
  ASSERT_EQ(sim_->Wait(), Code(0)) << sim_->Text();
  EXPECT_THAT(Log("3.stdout"),
              AllOf(HasSubstr(".nodes/node1\n"), HasSubstr("a b\"c'd|3\n")));
}

TEST_F(SimMpi, KeepsMustersVariablesFromTheRanks) {
  Start("env | grep -E '^(MUSTER_|TMPDIR)' | sort");
  ASSERT_EQ(sim_->Wait(), Code(0)) << sim_->Text();
  EXPECT_THAT(
      Log("0.stdout"),
      AllOf(HasSubstr("MUSTER_RUN_ID="), Not(HasSubstr("MUSTER_AGENT")),
            Not(HasSubstr("MUSTER_PROGRAM")), Not(HasSubstr("/dev/shm"))));
}

TEST_F(SimMpi, RunsOnOneNode) {
  Start("echo $OMPI_COMM_WORLD_SIZE", {{"--nnodes", "1"}});
  ASSERT_EQ(sim_->Wait(), Code(0)) << sim_->Text();
  EXPECT_EQ(Log("1.stdout"), "2\n");
}

TEST_F(SimMpi, RunsOnSixtyFourNodes) {
  Start("echo $OMPI_COMM_WORLD_RANK",
        {{"--nnodes", "64"}, {"--nproc-per-node", "1"}});
  ASSERT_EQ(sim_->Wait(kManyNodes), Code(0)) << sim_->Text();
  EXPECT_EQ(Log("63.stdout"), "63\n");
  ExpectNothingIsLeft();
}

TEST_F(SimMpi, RunsForAnOrdinaryUser) {
  if (getuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  ASSERT_EQ(chmod(directory_.path().c_str(), 0777), 0);
  std::vector<std::string> argv = {"setpriv", "--reuid=65534", "--regid=65534",
                                   "--clear-groups"};
  for (const std::string& word : MusterArgv("sim",
                                            {{"--framework", "mpi"},
                                             {"--nnodes", "2"},
                                             {"--nproc-per-node", "1"}},
                                            Shell("id -u"))) {
    argv.push_back(word);
  }
  Subprocess sim({.argv = argv, .cwd = directory_.path()});
  ASSERT_EQ(sim.Wait(), Code(0)) << sim.Text();
  EXPECT_EQ(Log("1.stdout"), "65534\n");
}

TEST_F(SimMpi, NamesTheRankThatFailedFirst) {
  Start("if [ $RANK = 3 ]; then echo no luck >&2; exit 9; fi; exec sleep 1000");
  EXPECT_EQ(sim_->Wait(), Code(9)) << sim_->Text();
  const json report = ReportOfRun();
  EXPECT_EQ(CauseText(report, "rank"), "3");
  EXPECT_EQ(CauseText(report, "node"), "1");
  EXPECT_EQ(CauseText(report, "stderr_tail"), "[\"no luck\"]");
  ExpectNothingIsLeft();
}

TEST_F(SimMpi, NamesTheRankThatDiedOfASignal) {
  Start("if [ $RANK = 1 ]; then kill -SEGV $$; fi; exec sleep 1000");
  EXPECT_EQ(sim_->Wait(), Code(128 + SIGSEGV)) << sim_->Text();
  EXPECT_EQ(CauseText(ReportOfRun(), "rank"), "1");
  EXPECT_EQ(CauseText(ReportOfRun(), "signal"), absl::StrCat(SIGSEGV));
  ExpectNothingIsLeft();
}

TEST_F(SimMpi, NamesTheRankWhoseCommandCannotBeStarted) {
  Start(std::vector<std::string>{"/no/such/program"});
  EXPECT_EQ(sim_->Wait(), Code(127)) << sim_->Text();
  EXPECT_EQ(CauseText(ReportOfRun(), "kind"), "spawn");
  ExpectNothingIsLeft();
}

// mpirun itself would kill them after a quarter of a second.
TEST_F(SimMpi, GivesTheOtherRanksTheirGraceWhenOneFails) {
  Start(
      "if [ $RANK = 0 ]; then until [ -e 1 ] && [ -e ../node1/2 ] && [ -e "
      "../node1/3 ]; do sleep 0.01; done;"
      " exit 4; fi;"
      "trap 'i=0; while [ $i -lt 40 ]; do sleep 0.05; i=$((i+1)); done;"
      " echo saved; exit 0' TERM;"
      ": > $RANK; while :; do sleep 0.01; done");
  EXPECT_EQ(sim_->Wait(), Code(4)) << sim_->Text();
  for (int rank = 1; rank < 4; ++rank) {
    EXPECT_EQ(Log(absl::StrCat(rank, ".stdout")), "saved\n");
  }
  ExpectNothingIsLeft();
}

TEST_F(SimMpi, LeavesNoRankWhenMpirunIsKilled) {
  StartHolding();
  const Process mpirun = sim_->FindInFamily("mpirun");
  ASSERT_NE(mpirun.pid, 0);
  kill(mpirun.pid, SIGKILL);
  EXPECT_EQ(sim_->Wait(), Code(137)) << sim_->Text();
  const json report = ReportOfRun();
  EXPECT_EQ(CauseText(report, "kind"), "signal");
  EXPECT_EQ(CauseText(report, "signal"), "9");
  EXPECT_EQ(CauseText(report, "service"), "mpirun");
  EXPECT_EQ(CauseText(report, "node"), "0");
  ExpectNothingIsLeft();
}

TEST_F(SimMpi, NamesTheNodeWhoseDaemonIsKilled) {
  StartHolding();
  const Process orted = sim_->FindInFamily("orted");
  ASSERT_NE(orted.pid, 0);
  kill(orted.pid, SIGKILL);
  EXPECT_EQ(sim_->Wait(), Code(137)) << sim_->Text();
  EXPECT_EQ(CauseText(ReportOfRun(), "service"), "orted");
  EXPECT_EQ(CauseText(ReportOfRun(), "node"), "1");
  ExpectNothingIsLeft();
}

TEST_F(SimMpi, StopsWhenItIsCancelled) {
  StartHolding();
  sim_->Signal(SIGINT);
  EXPECT_EQ(sim_->Wait(), Code(130)) << sim_->Text();
  EXPECT_EQ(ReportOfRun().value("result", ""), "cancelled");
  ExpectNothingIsLeft();
}

TEST_F(SimMpi, SaysThatMpirunIsMissing) {
  Start(Shell("true"), {}, {{"PATH", directory_.Dir("empty")}});
  EXPECT_EQ(sim_->Wait(), Code(127)) << sim_->Text();
  EXPECT_THAT(sim_->Err(), HasSubstr("mpirun was not found in PATH"));
  ExpectNothingIsLeft();
}

TEST_F(SimMpi, RefusesAnMpirunThatIsTooOld) {
  Start(Shell("true"), {},
        {{"PATH", PathWith("mpirun", "echo 'mpirun (Open MPI) 2.1.1'")}});
  EXPECT_EQ(sim_->Wait(), Code(78)) << sim_->Text();
  EXPECT_THAT(sim_->Err(), HasSubstr("Open MPI 2.1.1, which is too old"));
}

TEST_F(SimMpi, RefusesAnMpirunThatIsNotOpenMpis) {
  Start(Shell("true"), {},
        {{"PATH", PathWith("mpirun", "echo 'HYDRA build details:'")}});
  EXPECT_EQ(sim_->Wait(), Code(78)) << sim_->Text();
  EXPECT_THAT(sim_->Err(), HasSubstr("HYDRA"));
}

TEST_F(SimMpi, DoesNotWaitForAnMpirunThatHangs) {
  Start(Shell("true"), {{"--rdzv-timeout", "1s"}, {"--nnodes", "1"}},
        {{"PATH", PathWith("mpirun", "exec sleep 1000")}});
  EXPECT_EQ(sim_->Wait(), Code(78)) << sim_->Text();
  EXPECT_THAT(sim_->Err(), HasSubstr("`mpirun --version` did not answer"));
  ExpectNothingIsLeft();
}

TEST_F(SimMpi, SaysWhyMpirunFailed) {
  Start(Shell("true"), {}, {{"MUSTER_MPI_ARG", "--no-such-option"}});
  EXPECT_EQ(sim_->Wait(), Code(1)) << sim_->Text();
  EXPECT_EQ(CauseText(ReportOfRun(), "service"), "mpirun");
  EXPECT_THAT(CauseText(ReportOfRun(), "stderr_tail"),
              HasSubstr("no-such-option"));
  ExpectNothingIsLeft();
}

TEST_F(SimMpi, RefusesARankThatMpirunPutOnAnotherNode) {
  Start(Shell("exec sleep 1000"), {}, {{"MUSTER_MPI_ARG", "--map-by\nnode"}});
  EXPECT_NE(sim_->Wait(), Code(0)) << sim_->Text();
  EXPECT_THAT(sim_->Err(), HasSubstr("leave the mapping out of --mpi-arg"));
  ExpectNothingIsLeft();
}

TEST_F(SimMpi, RshRunsCommandsOnTheOtherNodes) {
  StartHolding();
  Command command = Rsh({"node1", "cat; echo \"$FOO\" >&2; exit 9"});
  command.env["FOO"] = "a \"b'c $d";
  Subprocess rsh(command);
  EXPECT_EQ(rsh.Wait(), Code(9)) << rsh.Text();
  EXPECT_EQ(rsh.Err(), "a \"b'c $d\n");

  // Words are joined for the shell there, as every remote shell does.
  Subprocess words(Rsh({"240.0.0.1", "printf", "'%s|'", "a", "'b  c'"}));
  EXPECT_EQ(words.Wait(), Code(0));
  EXPECT_EQ(words.Out(), "a|b  c|");

  Subprocess killed(Rsh({"node1", "kill -9 $$"}));
  EXPECT_EQ(killed.Wait(), Code(137));

  Subprocess stranger(Rsh({"10.9.8.7", "true"}));
  EXPECT_EQ(stranger.Wait(), Code(77));
  EXPECT_THAT(stranger.Err(), HasSubstr("10.9.8.7 is no node of this job"));

  // The job does not mind what its user runs beside it.
  Subprocess fails(Rsh({"node1", "false"}));
  EXPECT_EQ(fails.Wait(), Code(1));
  EXPECT_EQ(sim_->Wait(absl::ZeroDuration()), kRunning);
}

// Its daemons are none of the job's.
TEST_F(SimMpi, AnotherMpirunBesideTheJobMayFail) {
  StartHolding();
  Command command = Rsh({});
  const std::string agent = absl::StrCat(MusterBinary(), " rsh");
  command.argv = {"mpirun",
                  "--allow-run-as-root",
                  "--host",
                  "127.0.0.1:1,240.0.0.1:1",
                  "--mca",
                  "plm_rsh_agent",
                  agent,
                  "--mca",
                  "oob_tcp_if_include",
                  "127.0.0.0/8",
                  "--leave-session-attached",
                  "sh",
                  "-c",
                  "echo up; exec sleep 1000"};
  Subprocess other(command);
  ASSERT_TRUE(other.WaitForOutput("up\nup")) << other.Text();
  const Process orted = other.FindInFamily("orted");
  ASSERT_NE(orted.pid, 0);
  other.Signal(SIGKILL);  // of which a daemon dies, too
  EXPECT_TRUE(Eventually([&] { return kill(orted.pid, 0) != 0; }));
  EXPECT_EQ(sim_->Wait(absl::ZeroDuration()), kRunning) << sim_->Text();
  sim_->Signal(SIGINT);
  EXPECT_EQ(sim_->Wait(), Code(130)) << sim_->Text();
}

TEST_F(SimMpi, RshForwardsSignals) {
  StartHolding();
  Subprocess rsh(Rsh({"node1",
                      "trap 'echo got it; exit 3' USR1; echo ready;"
                      "while :; do sleep 0.01; done"}));
  ASSERT_TRUE(rsh.WaitForOutput("ready")) << rsh.Text();
  rsh.Signal(SIGUSR1);
  EXPECT_EQ(rsh.Wait(), Code(3));
  EXPECT_THAT(rsh.Out(), HasSubstr("got it"));
}

TEST_F(SimMpi, RshEndsItsCommandWhenItIsKilled) {
  StartHolding();
  Subprocess rsh(Rsh({"node1", "echo ready; exec sleep 1000"}));
  ASSERT_TRUE(rsh.WaitForOutput("ready")) << rsh.Text();
  // What it runs there carries its variables, and so is of its family.
  ASSERT_NE(rsh.FindInFamily("sleep").pid, 0);
  rsh.Signal(SIGKILL);
  EXPECT_TRUE(NothingIsLeftOf(rsh));
}

TEST_F(SimMpi, RshIsRefusedForAnotherUser) {
  if (getuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  StartHolding();
  Command command = Rsh({"node1", "true"});
  command.argv.insert(command.argv.begin(),
                      {"setpriv", "--reuid=65534", "--clear-groups"});
  Subprocess rsh(command);
  EXPECT_EQ(rsh.Wait(), Code(77)) << rsh.Text();
  EXPECT_THAT(rsh.Err(), HasSubstr("only the user"));
}

TEST(Rsh, SaysThatThereIsNoAgent) {
  Subprocess rsh({.argv = {MusterBinary(), "rsh", "node1", "true"},
                  .env = {{"MUSTER_AGENT_SOCKET", "muster-agent/none/0/x"}}});
  EXPECT_EQ(rsh.Wait(), Code(69)) << rsh.Text();
  EXPECT_THAT(rsh.Err(), HasSubstr("agent does not answer"));
}

TEST(Rsh, NeedsAHostAndACommand) {
  Subprocess rsh({.argv = {MusterBinary(), "rsh", "node1"}});
  EXPECT_EQ(rsh.Wait(), Code(64)) << rsh.Text();
}

}  // namespace
}  // namespace muster::test
