// How workers and what they leave behind are stopped.
#include <sys/wait.h>

#include <cerrno>
#include <csignal>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/process/support.h"

namespace muster::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(KeeperStop, LetsAnObedientWorkerEndBeforeItsGrace) {
  Agent agent;
  auto& worker = agent.Start(Behaviour({"hold"}));
  agent.client->Stop(absl::Hours(1));
  EXPECT_EQ(agent.End(worker), ExitStatus::Signaled(SIGTERM));
  EXPECT_EQ(agent.Output(Request({"echo", "next"})), "next\n");
}

TEST(KeeperStop, KillsAWorkerThatIgnoresItWhenTheGraceIsOver) {
  Agent agent;
  auto& stubborn = agent.Start(Behaviour({"ignore-term"}));
  auto& obedient = agent.Start(Behaviour({"hold"}));
  EXPECT_EQ(ReadLine(stubborn.out.get()), "ready");
  const auto before = steady_clock::now();
  agent.client->Stop(absl::Milliseconds(400));
  EXPECT_EQ(agent.End(obedient), ExitStatus::Signaled(SIGTERM));
  EXPECT_EQ(agent.End(stubborn), ExitStatus::Signaled(SIGKILL));
  EXPECT_GE(steady_clock::now() - before, milliseconds(400));
}

TEST(KeeperStop, KillsAtOnceWithoutGrace) {
  Agent agent;
  auto& worker = agent.Start(Behaviour({"hold"}));
  agent.client->Stop(absl::ZeroDuration());
  EXPECT_EQ(agent.End(worker), ExitStatus::Signaled(SIGKILL));
}

TEST(KeeperStop, ShortensTheGraceOfAStopUnderWay) {
  Agent agent;
  auto& worker = agent.Start(Behaviour({"ignore-term"}));
  EXPECT_EQ(ReadLine(worker.out.get()), "ready");
  agent.client->Stop(absl::InfiniteDuration());
  // Handled after the Stop, so the Stop has been handled; it is no end yet.
  const SpawnFailure refused = agent.Failure(Request({"true"}));
  EXPECT_EQ(refused.error, ECANCELED);
  EXPECT_FALSE(worker.status.has_value());
  agent.client->Stop(absl::Milliseconds(50));
  EXPECT_EQ(agent.End(worker), ExitStatus::Signaled(SIGKILL));
}

TEST(KeeperStop, WakesAStoppedWorkerSoThatItCanObey) {
  Agent agent;
  const uint32_t id = agent.Spawn(Behaviour({"stopped"}));
  auto& worker = agent.workers[id];
  const auto stopped = [&] {
    return StatusField(worker.pid, "State").substr(0, 1) == "T";
  };
  EXPECT_TRUE(agent.RunUntil([&] { return worker.pid != 0 && stopped(); }));
  // SIGTERM alone stays pending.
  agent.client->Signal(id, SIGTERM);
  EXPECT_TRUE(agent.RunUntil(
      [&] { return StatusField(worker.pid, "ShdPnd") == "0000000000004000"; }));
  EXPECT_TRUE(stopped());
  agent.client->Stop(absl::Hours(1));
  EXPECT_EQ(agent.End(worker), ExitStatus::Signaled(SIGTERM));
}

TEST(KeeperStop, LeavesDaemonsToTheSweep) {
  Agent agent;
  auto& worker = agent.Start(Behaviour({"daemon", "plain", "hold"}));
  const pid_t pid = std::stoi(ReadLine(worker.out.get()));
  const UniqueFd daemon = OpenPidfd(pid);
  agent.client->Stop(absl::Hours(1));
  EXPECT_EQ(agent.End(worker), ExitStatus::Signaled(SIGTERM));
  EXPECT_FALSE(HasEnded(daemon));
  EXPECT_THAT(agent.Finish(),
              ElementsAre(Killed{pid, "muster_behaviou", true}));
  EXPECT_TRUE(HasEnded(daemon));
}

class Sweep : public testing::TestWithParam<const char*> {};

// A daemon that has left its session and group, and whose starter is gone.
TEST_P(Sweep, EndsADaemonAndReportsIt) {
  Agent agent;
  auto& worker = agent.Start(Behaviour({"daemon", GetParam(), "exit"}));
  const pid_t pid = std::stoi(ReadLine(worker.out.get()));
  EXPECT_EQ(agent.End(worker), ExitStatus::Exited(0));
  const UniqueFd daemon = OpenPidfd(pid);
  EXPECT_FALSE(HasEnded(daemon));
  EXPECT_NE(getsid(pid), getsid(agent.keeper));
  EXPECT_THAT(agent.Finish(),
              ElementsAre(Killed{pid, "muster_behaviou", true}));
  EXPECT_TRUE(HasEnded(daemon));
  EXPECT_THAT(agent.Finish(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(KeeperStop, Sweep,
                         testing::Values("plain", "stubborn", "leaderless"),
                         [](const auto& test) { return test.param; });

TEST(KeeperStop, SweepsRunningWorkersToo) {
  Agent agent;
  auto& stubborn = agent.Start(Behaviour({"ignore-term"}));
  EXPECT_EQ(ReadLine(stubborn.out.get()), "ready");
  agent.client->Finish();
  EXPECT_EQ(agent.Failure(Request({"true"})).error, ECANCELED);
  EXPECT_TRUE(agent.RunUntil([&] { return agent.finished.has_value(); }));
  EXPECT_THAT(*agent.finished, IsEmpty()) << "workers are reported as exits";
  EXPECT_EQ(stubborn.status, ExitStatus::Signaled(SIGKILL));
}

TEST(KeeperStop, SweepsAWholeTreeOfProcesses) {
  Agent agent;
  auto& worker = agent.Start(
      {"sh", "-c",
       "for i in 1 2 3; do setsid sh -c 'sleep 1000 & sleep 1001 & echo up;"
       " wait' & done; wait"});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ReadLine(worker.out.get()), "up");
  agent.client->Stop(absl::ZeroDuration());
  agent.End(worker);
  EXPECT_EQ(agent.Finish().size(), 9u);
  EXPECT_EQ(ReadAll(worker.out.get()), "") << "somebody still holds the pipe";
}

// The pids that the agent of the next tests tells before it is killed.
struct Told {
  pid_t keeper = 0;
  pid_t stubborn = 0;
  pid_t starter = 0;
  pid_t daemon = 0;
};

// Becomes an agent with a stubborn worker and a stubborn daemon.
[[noreturn]] void BeAgent(int tell, absl::Duration orphan_grace) {
  auto* agent = new Agent;
  agent->client->SetOrphanGrace(orphan_grace);
  auto& stubborn = agent->Start(Behaviour({"ignore-term"}));
  ReadLine(stubborn.out.get());
  auto& starter = agent->Start(Behaviour({"daemon", "stubborn", "hold"}));
  const pid_t daemon = std::stoi(ReadLine(starter.out.get()));
  const Told told = {agent->keeper, stubborn.pid, starter.pid, daemon};
  if (write(tell, &told, sizeof(told)) != sizeof(told)) _exit(1);
  agent->RunUntil([] { return false; });
  _exit(2);
}

void KillAgentAndExpectNothingLeft(absl::Duration orphan_grace) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const UniqueFd listen(ends[0]);
  UniqueFd tell(ends[1]);
  const pid_t agent = fork();
  ASSERT_GE(agent, 0);
  if (agent == 0) BeAgent(tell.get(), orphan_grace);
  tell.Reset();
  Told told;
  ASSERT_EQ(read(listen.get(), &told, sizeof(told)),
            static_cast<ssize_t>(sizeof(told)));
  std::vector<UniqueFd> processes;
  for (const pid_t pid :
       {told.keeper, told.stubborn, told.starter, told.daemon}) {
    processes.push_back(OpenPidfd(pid));
    EXPECT_FALSE(HasEnded(processes.back()));
  }
  const auto before = steady_clock::now();
  ASSERT_EQ(kill(agent, SIGKILL), 0);
  ASSERT_EQ(waitpid(agent, nullptr, 0), agent);
  for (const UniqueFd& process : processes) EXPECT_TRUE(EndsInTime(process));
  EXPECT_GE(steady_clock::now() - before,
            absl::ToChronoMilliseconds(orphan_grace));
}

TEST(KeeperStop, LeavesNothingBehindWhenTheAgentIsKilled) {
  KillAgentAndExpectNothingLeft(absl::Milliseconds(300));
}

TEST(KeeperStop, LeavesNothingBehindWithoutOrphanGrace) {
  KillAgentAndExpectNothingLeft(absl::ZeroDuration());
}

}  // namespace
}  // namespace muster::process
