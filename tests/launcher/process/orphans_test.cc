#include "launcher/process/orphans.h"

#include <sys/wait.h>

#include <cerrno>
#include <csignal>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/process/support.h"

namespace muster::process {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Orphans, AreKilledByTheAgentWhenItsKeeperIsKilled) {
  ASSERT_TRUE(BecomeSubreaper().ok());
  Agent agent;
  auto& worker = agent.Start(Behaviour({"daemon", "stubborn", "hold"}));
  const pid_t daemon_pid = std::stoi(ReadLine(worker.out.get()));
  const UniqueFd daemon = OpenPidfd(daemon_pid);
  const UniqueFd process = OpenPidfd(worker.pid);
  EXPECT_FALSE(HasEnded(process));

  ASSERT_EQ(kill(agent.keeper, SIGKILL), 0);
  EXPECT_TRUE(agent.RunUntil([&] { return agent.lost.has_value(); }));
  EXPECT_TRUE(EndsInTime(process)) << "the kernel did not kill the worker";
  EXPECT_FALSE(HasEnded(daemon)) << "then there is nothing to prove";

  const auto killed = KillDescendants(getpid());
  ASSERT_TRUE(killed.ok()) << killed.status();
  EXPECT_THAT(*killed,
              ElementsAre(Killed{daemon_pid, "muster_behaviou", true}));
  EXPECT_TRUE(HasEnded(daemon));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD) << "somebody is left, or not reaped";
}

TEST(Orphans, AreKilledWithAllThatDescendsFromThem) {
  ASSERT_TRUE(BecomeSubreaper().ok());
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const UniqueFd listen(ends[0]);
  UniqueFd tell(ends[1]);
  // A chain of five, each of which says so.
  if (fork() == 0) {
    for (int depth = 1; depth < 5; ++depth) {
      if (fork() != 0) break;
      setsid();
    }
    if (write(tell.get(), "x\n", 2) != 2) _exit(1);
    while (true) pause();
  }
  tell.Reset();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ReadLine(listen.get()), "x");
  const auto killed = KillDescendants(getpid());
  ASSERT_TRUE(killed.ok());
  EXPECT_EQ(killed->size(), 5u);
  EXPECT_EQ(ReadAll(listen.get()), "") << "one of them is alive";
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
}

TEST(Orphans, NeedNotBeThere) {
  const auto killed = KillDescendants(getpid());
  ASSERT_TRUE(killed.ok());
  EXPECT_THAT(*killed, IsEmpty());
}

TEST(Orphans, AreNotLookedForBelowAnotherProcess) {
  EXPECT_EQ(KillDescendants(getppid()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(SignalProcess, DoesNotReachOneThatReusesTheNumber) {
  const pid_t pid = fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    while (true) pause();
  }
  const auto found = ListDescendants(getpid());
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->size(), 1u);
  ProcessEntry earlier = found->front();
  ASSERT_EQ(earlier.pid, pid);
  const UniqueFd process = OpenPidfd(pid);
  earlier.start_time -= 1;
  EXPECT_FALSE(SignalProcess(earlier, SIGKILL).valid());
  EXPECT_EQ(StatusField(pid, "ShdPnd"), "0000000000000000");
  EXPECT_FALSE(HasEnded(process));
  EXPECT_TRUE(EndsInTime(SignalProcess(found->front(), SIGKILL)));
  EXPECT_EQ(waitpid(pid, nullptr, 0), pid);
}

}  // namespace
}  // namespace muster::process
