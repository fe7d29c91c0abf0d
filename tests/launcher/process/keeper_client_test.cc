// The agent's side: its loop never blocks, and its callbacks come from it.
#include "launcher/process/keeper_client.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/process/messages.h"
#include "tests/launcher/process/support.h"

namespace muster::process {
namespace {

using ::testing::HasSubstr;

TEST(KeeperClient, QueuesWhatAStoppedKeeperDoesNotTake) {
  Agent agent;
  ASSERT_EQ(kill(agent.keeper, SIGSTOP), 0);
  for (int i = 0; i < 8; ++i) {
    SpawnRequest request = Request(Behaviour({"exit", "0"}));
    for (int j = 0; j < 10; ++j) {
      request.env.push_back(
          {"BIG" + std::to_string(j), std::string(100 << 10, 'x')});
    }
    agent.Spawn(std::move(request));
  }
  agent.loop.poll();
  ASSERT_EQ(kill(agent.keeper, SIGCONT), 0);
  for (auto& [id, worker] : agent.workers) {
    EXPECT_EQ(agent.End(worker), ExitStatus::Exited(0));
  }
}

TEST(KeeperClient, RefusesARequestThatNoKernelWouldTake) {
  Agent agent;
  SpawnRequest large = Request({"true", std::string(kMaxPayload, 'x')});
  large.id = 100;
  agent.client->Spawn(large);
  EXPECT_EQ(agent.workers.count(100), 0u) << "called back inside the call";
  EXPECT_TRUE(
      agent.RunUntil([&] { return agent.workers[100].failure.has_value(); }));
  EXPECT_EQ(agent.workers[100].failure->error, E2BIG);
  EXPECT_EQ(agent.workers[100].failure->ExitCode(), 126);

  SpawnRequest many = Request({"true"});
  for (size_t i = 0; i <= kMaxFrameFds; ++i) many.held_fds.push_back(dup(0));
  const int last = many.held_fds.back();
  EXPECT_EQ(agent.Failure(std::move(many)).error, EINVAL);
  EXPECT_EQ(close(last), -1) << "a refused request leaks its ports";
}

TEST(KeeperClient, CanBeDestroyedByItsOwnCallback) {
  Agent agent;
  const UniqueFd keeper = OpenPidfd(agent.keeper);
  for (int i = 0; i < 5; ++i) agent.Spawn(Behaviour({"exit", "0"}));
  agent.after_exit = [&] { agent.client.reset(); };
  EXPECT_TRUE(agent.RunUntil([&] { return agent.client == nullptr; }));
  agent.loop.restart();
  agent.loop.poll();
  EXPECT_TRUE(EndsInTime(keeper)) << "it was not told by the closed socket";
}

TEST(KeeperClient, SaysHowTheKeeperDied) {
  Agent agent;
  auto& worker = agent.Start(Behaviour({"hold"}));
  const UniqueFd process = OpenPidfd(worker.pid);
  EXPECT_FALSE(HasEnded(process));
  ASSERT_EQ(kill(agent.keeper, SIGKILL), 0);
  EXPECT_TRUE(agent.RunUntil([&] { return agent.lost.has_value(); }));
  EXPECT_EQ(agent.lost->code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(agent.lost->message(),
              HasSubstr("process " + std::to_string(agent.keeper) +
                        ", killed by SIGKILL"));
  EXPECT_TRUE(EndsInTime(process)) << "its worker lives on";
  EXPECT_EQ(waitpid(agent.keeper, nullptr, 0), -1) << "it is not reaped";
  // Calls after that do nothing.
  agent.client->Spawn(Request({"true"}));
  agent.client->Stop(absl::ZeroDuration());
  agent.client->Finish();
  agent.loop.restart();
  agent.loop.poll();
}

// A "keeper" that sends what the test likes.
TEST(KeeperClient, EndsAKeeperThatSendsGarbage) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd far(ends[1]);
  const pid_t pid = fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    while (true) pause();
  }
  asio::io_context loop;
  std::optional<absl::Status> lost;
  KeeperCallbacks callbacks;
  callbacks.on_lost = [&](absl::Status why) { lost = why; };
  KeeperClient client(loop, KeeperHandle{pid, UniqueFd(ends[0])},
                      std::move(callbacks));
  FrameWriter writer;
  writer.Push(EncodeStop(std::chrono::milliseconds(1)));  // not a keeper's
  ASSERT_EQ(writer.Flush(far.get()), FrameWriter::Result::kDone);
  loop.run_for(kPatience);
  ASSERT_TRUE(lost.has_value());
  EXPECT_THAT(lost->message(), HasSubstr("killed by SIGKILL"));
}

}  // namespace
}  // namespace muster::process
