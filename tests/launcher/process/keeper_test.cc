// The keeper and its client with real workers: starts, ends, failures, and
// what a worker is given.
#include "launcher/process/keeper.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/process/support.h"

namespace muster::process {
namespace {

using ::testing::HasSubstr;

TEST(Keeper, ReportsEveryExitCode) {
  Agent agent;
  for (const int code : {0, 1, 63, 64, 126, 127, 255}) {
    auto& worker = agent.Start(Behaviour({"exit", std::to_string(code)}));
    EXPECT_EQ(agent.End(worker), ExitStatus::Exited(code));
  }
}

TEST(Keeper, ReportsTheSignalThatKilledAWorker) {
  Agent agent;
  for (const int signo : {SIGHUP, SIGINT, SIGKILL, SIGSEGV, SIGABRT, SIGPIPE,
                          SIGTERM, SIGRTMIN + 1}) {
    auto& worker = agent.Start(Behaviour({"raise", std::to_string(signo)}));
    EXPECT_EQ(agent.End(worker), ExitStatus::Signaled(signo));
  }
}

TEST(Keeper, ReportsWhyAWorkerCannotStart) {
  Agent agent;
  const SpawnFailure missing = agent.Failure(Request({"muster-no-such"}));
  EXPECT_EQ(missing.ExitCode(), 127);
  EXPECT_THAT(missing.Message(), HasSubstr("/usr/bin:/bin"));

  TempDir directory;
  const SpawnFailure script = agent.Failure(
      Request({directory.Write("script", "#!/no/interpreter\n", 0755)}));
  EXPECT_EQ(script.ExitCode(), 126);
  EXPECT_THAT(script.Message(), HasSubstr("'/no/interpreter'"));

  SpawnRequest nowhere = Request({"true"});
  nowhere.working_directory = directory.path() + "/nowhere";
  EXPECT_THAT(agent.Failure(nowhere).Message(), HasSubstr("nowhere"));

  // A failed start is no exit, and frees its id and its process.
  for (const auto& [id, worker] : agent.workers) {
    EXPECT_FALSE(worker.status.has_value());
  }
  EXPECT_TRUE(agent.Finish().empty());
  EXPECT_EQ(agent.Output(Request({"echo", "fine"})), "fine\n");
}

TEST(Keeper, RefusesAnIdInUse) {
  Agent agent;
  auto& worker = agent.Start(Behaviour({"hold"}));
  EXPECT_EQ(ReadLine(worker.out.get()), "ready");
  SpawnRequest again = Request({"true"});
  again.id = agent.workers.begin()->first;
  agent.client->Spawn(std::move(again));
  EXPECT_TRUE(agent.RunUntil([&] { return worker.failure.has_value(); }));
  EXPECT_EQ(worker.failure->error, EEXIST);
}

TEST(Keeper, GivesAWorkerItsEnvironmentAndNothingElse) {
  Agent agent;
  setenv("MUSTER_TEST_INHERITED", "no", 1);
  SpawnRequest request = Request(Behaviour({"env", "RANK"}));
  request.env.push_back({"RANK", "7 of 8"});
  EXPECT_EQ(agent.Output(request), "7 of 8\n");
  EXPECT_EQ(agent.Output(Request(Behaviour({"env", "MUSTER_TEST_INHERITED"}))),
            "(unset)\n");
}

TEST(Keeper, StartsAWorkerWithALargeEnvironment) {
  Agent agent;
  SpawnRequest request = Request(Behaviour({"env", "BIG15"}));
  for (int i = 0; i < 16; ++i) {
    request.env.push_back(
        {"BIG" + std::to_string(i), std::string(100 << 10, 'x')});
  }
  EXPECT_EQ(agent.Output(request), std::string(100 << 10, 'x') + "\n");
}

TEST(Keeper, StartsAWorkerInItsDirectory) {
  Agent agent;
  TempDir directory;
  SpawnRequest request = Request(Behaviour({"cwd"}));
  request.working_directory = directory.path();
  EXPECT_EQ(agent.Output(request),
            std::filesystem::canonical(directory.path()).string() + "\n");
  EXPECT_EQ(agent.Output(Request(Behaviour({"cwd"}))),
            std::filesystem::current_path().string() + "\n");
}

TEST(Keeper, StartsAWorkerWhoseInheritedDirectoryIsGone) {
  const std::string before = std::filesystem::current_path();
  TempDir directory;
  std::filesystem::create_directory(directory.path() + "/removed");
  std::filesystem::current_path(directory.path() + "/removed");
  Agent agent;
  std::filesystem::remove(directory.path() + "/removed");
  std::filesystem::current_path(before);
  EXPECT_THAT(agent.Output(Request(Behaviour({"cwd"}))),
              HasSubstr("No such file"));
}

TEST(Keeper, StartsAWorkerWithCleanSignals) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGUSR2, SIG_IGN);
  signal(SIGCHLD, SIG_IGN);
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  Agent agent;
  EXPECT_EQ(agent.Output(Request(Behaviour({"signals"}))),
            "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
            "death 9\nleader\n");
  sigprocmask(SIG_SETMASK, &before, nullptr);
  for (const int signo : {SIGPIPE, SIGUSR2, SIGCHLD}) signal(signo, SIG_DFL);
}

TEST(Keeper, StartsAWorkerWithoutForeignDescriptors) {
  // One that every fork and exec of this process would hand on.
  const UniqueFd inherited(dup2(STDIN_FILENO, 57));
  ASSERT_EQ(fcntl(inherited.get(), F_GETFD) & FD_CLOEXEC, 0);
  Agent agent;
  HeldPort held = HoldPort();
  SpawnRequest other = Request(Behaviour({"hold"}));
  other.held_fds = {held.socket.Release()};
  auto& neighbour = agent.Start(std::move(other));
  EXPECT_EQ(ReadLine(neighbour.out.get()), "ready");
  held = HoldPort();
  SpawnRequest request = Request(Behaviour({"fds"}));
  request.held_fds = {held.socket.Release()};
  EXPECT_EQ(agent.Output(std::move(request)), "0 1 2 \n");
}

TEST(Keeper, StartsAWorkerWithNothingOnStdin) {
  Agent agent;
  EXPECT_EQ(agent.Output(Request(Behaviour({"read-stdin"}))), "-1\n");
}

TEST(Keeper, StartsAWorkerWithTheLimitsFromBeforeTheAgentRaisedThem) {
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low = {321, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  Agent agent;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(agent.Output(Request(Behaviour({"nofile"}))), "321\n");
}

TEST(Keeper, KeepsAPortTakenUntilItsWorkerCanBindIt) {
  Agent agent;
  HeldPort held = HoldPort();
  EXPECT_EQ(BindError(held.port), EADDRINUSE);
  // The request is on its way, and every copy of the agent is closed.
  const UniqueFd keeper = OpenPidfd(agent.keeper);
  ASSERT_EQ(kill(agent.keeper, SIGSTOP), 0);
  const int fd = held.socket.Release();
  SpawnRequest request =
      Request(Behaviour({"bind", std::to_string(held.port)}));
  request.held_fds = {fd};
  const uint32_t id = agent.Spawn(std::move(request));
  EXPECT_EQ(fcntl(fd, F_GETFD), -1) << "the agent keeps a copy";
  EXPECT_EQ(BindError(held.port), EADDRINUSE) << "released on the way";
  ASSERT_EQ(kill(agent.keeper, SIGCONT), 0);
  auto& worker = agent.workers[id];
  EXPECT_TRUE(agent.RunUntil([&] { return worker.pid != 0; }));
  EXPECT_EQ(ReadLine(worker.out.get()), "bound");
  EXPECT_EQ(BindError(held.port), EADDRINUSE);
  agent.client->Stop(absl::ZeroDuration());
  agent.End(worker);
  EXPECT_EQ(BindError(held.port), 0) << "somebody still holds it";
}

TEST(Keeper, FreesTheHeldPortsOfAWorkerThatCannotStart) {
  Agent agent;
  HeldPort held = HoldPort();
  SpawnRequest request = Request({"muster-no-such"});
  request.held_fds = {held.socket.Release()};
  EXPECT_EQ(agent.Failure(std::move(request)).ExitCode(), 127);
  EXPECT_EQ(BindError(held.port), 0);
}

TEST(Keeper, SeparatesStdoutFromStderr) {
  Agent agent;
  auto& worker =
      agent.Start({"sh", "-c", "echo to-out; echo to-err >&2; exit 4"});
  EXPECT_EQ(ReadAll(worker.out.get()), "to-out\n");
  EXPECT_EQ(ReadAll(worker.err.get()), "to-err\n");
  EXPECT_EQ(agent.End(worker), ExitStatus::Exited(4));
}

TEST(Keeper, ReportsTheEndOfAWorkerThatClosedItsStdoutLongBefore) {
  Agent agent;
  auto& worker = agent.Start(Behaviour({"close-stdout"}));
  EXPECT_EQ(ReadAll(worker.out.get()), "");
  EXPECT_EQ(ReadLine(worker.err.get()), "closed");
  EXPECT_EQ(ReadLine(worker.err.get()), "waiting");
  EXPECT_FALSE(worker.status.has_value());
  agent.client->SignalAll(SIGUSR1);
  EXPECT_EQ(agent.End(worker), ExitStatus::Exited(5));
}

TEST(Keeper, ReportsTheEndOfAWorkerWhoseDaemonHoldsItsPipes) {
  Agent agent;
  auto& worker = agent.Start(Behaviour({"daemon", "plain", "exit"}));
  const UniqueFd daemon = OpenPidfd(std::stoi(ReadLine(worker.out.get())));
  EXPECT_EQ(agent.End(worker), ExitStatus::Exited(0));
  EXPECT_FALSE(HasEnded(daemon));
}

TEST(Keeper, SignalsOneWorkerOrAll) {
  Agent agent;
  auto& first = agent.Start(Behaviour({"hold"}));
  const uint32_t second_id = agent.Spawn(Behaviour({"hold"}));
  auto& second = agent.workers[second_id];
  auto& third = agent.Start(Behaviour({"hold"}));
  agent.client->Signal(second_id, SIGUSR1);
  EXPECT_EQ(agent.End(second), ExitStatus::Signaled(SIGUSR1));
  EXPECT_FALSE(first.status.has_value() || third.status.has_value());
  agent.client->SignalAll(SIGINT);
  EXPECT_EQ(agent.End(first), ExitStatus::Signaled(SIGINT));
  EXPECT_EQ(agent.End(third), ExitStatus::Signaled(SIGINT));
}

TEST(Keeper, SignalsTheWholeGroupOfAWorker) {
  Agent agent;
  auto& worker = agent.Start({"sh", "-c", "sleep 1000 & echo $!; wait"});
  const UniqueFd child = OpenPidfd(std::stoi(ReadLine(worker.out.get())));
  EXPECT_FALSE(HasEnded(child));
  agent.client->SignalAll(SIGKILL);
  EXPECT_TRUE(EndsInTime(child));
}

TEST(Keeper, ReapsAHundredQuickWorkers) {
  Agent agent;
  for (int i = 0; i < 100; ++i) {
    agent.Spawn(Behaviour({"exit", std::to_string(i)}));
  }
  for (auto& [id, worker] : agent.workers) {
    EXPECT_EQ(agent.End(worker), ExitStatus::Exited(static_cast<int>(id) - 1));
  }
  EXPECT_TRUE(agent.Finish().empty());
  const auto left = ListDescendants(agent.keeper);
  ASSERT_TRUE(left.ok());
  EXPECT_TRUE(left->empty()) << "a zombie is left";
}

TEST(Keeper, IsASmallProcessOfItsOwn) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  Agent agent;
  EXPECT_EQ(agent.Output(Request({"echo", "up"})), "up\n");
  EXPECT_EQ(StatusField(agent.keeper, "Name"), "muster-keeper");
#ifndef __SANITIZE_THREAD__  // which has a thread of its own
  EXPECT_EQ(StatusField(agent.keeper, "Threads"), "1");
#endif
  EXPECT_EQ(getsid(agent.keeper), agent.keeper);
  // It holds no pipe of the agent open.
  write_end.Reset();
  EXPECT_EQ(ReadAll(read_end.get()), "");
  std::vector<int> fds;
  for (const auto& entry : std::filesystem::directory_iterator(
           "/proc/" + std::to_string(agent.keeper) + "/fd")) {
    fds.push_back(std::stoi(entry.path().filename()));
  }
  EXPECT_THAT(fds, testing::UnorderedElementsAre(0, 1, 2, 3, testing::_));
}

TEST(Keeper, IgnoresTheSignalsThatEndAnAgent) {
  Agent agent;
  auto& worker = agent.Start(Behaviour({"hold"}));
  for (const int signo : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1}) {
    ASSERT_EQ(kill(agent.keeper, signo), 0);
  }
  EXPECT_EQ(agent.Output(Request({"echo", "still"})), "still\n");
  EXPECT_FALSE(worker.status.has_value());
}

TEST(Keeper, StopsEverythingWhenItIsSentGarbage) {
  for (const std::string& bytes :
       {std::string("this is no message, only bytes"), std::string("x")}) {
    absl::StatusOr<KeeperHandle> keeper = Keeper::Fork();
    ASSERT_TRUE(keeper.ok());
    const UniqueFd pidfd = OpenPidfd(keeper->pid);
    EXPECT_FALSE(HasEnded(pidfd));
    ASSERT_EQ(write(keeper->socket.get(), bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
    if (bytes.size() == 1) keeper->socket.Reset();  // a truncated message
    EXPECT_TRUE(EndsInTime(pidfd));
    int status = -1;
    EXPECT_EQ(waitpid(keeper->pid, &status, 0), keeper->pid);
    EXPECT_EQ(status, 0);
  }
}

}  // namespace
}  // namespace muster::process
