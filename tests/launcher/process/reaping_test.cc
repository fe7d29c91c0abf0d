#include "launcher/process/reaping.h"

#include <sys/wait.h>

#include <cerrno>
#include <csignal>

#include "gtest/gtest.h"
#include "launcher/process/keeper.h"
#include "tests/launcher/process/support.h"

namespace muster::process {
namespace {

// A child that is dead and not reaped.
pid_t Zombie() {
  const pid_t pid = fork();
  if (pid == 0) _exit(3);
  EXPECT_GT(pid, 0);
  siginfo_t info = {};
  EXPECT_EQ(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  return pid;
}

TEST(Reaping, TakesEveryZombieAndNoLivingChild) {
  const pid_t living = fork();
  if (living == 0) {
    while (true) pause();
  }
  ASSERT_GT(living, 0);
  const pid_t first = Zombie();
  const pid_t second = Zombie();
  ReapStrays(/*keeper=*/0);
  for (const pid_t pid : {first, second}) {
    EXPECT_EQ(waitpid(pid, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
  }
  EXPECT_EQ(waitpid(living, nullptr, WNOHANG), 0);
  kill(living, SIGKILL);
  EXPECT_EQ(waitpid(living, nullptr, 0), living);
}

TEST(Reaping, LeavesTheKeeperToItsClient) {
  const pid_t keeper = Zombie();
  ReapStrays(keeper);
  EXPECT_EQ(waitpid(keeper, nullptr, WNOHANG), keeper);
}

TEST(Reaping, AwaitsAKeeperThatWasLetGo) {
  auto keeper = Keeper::Fork();
  ASSERT_TRUE(keeper.ok()) << keeper.status();
  EXPECT_FALSE(AwaitKeeper(keeper->pid, absl::Milliseconds(1)))
      << "it left before it was let go";
  keeper->socket.Reset();
  EXPECT_TRUE(AwaitKeeper(keeper->pid, absl::Seconds(20)));
  EXPECT_EQ(waitpid(keeper->pid, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

}  // namespace
}  // namespace muster::process
