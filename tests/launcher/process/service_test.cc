// Processes that serve the workers and are none themselves.
#include <sched.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <string>

#include "gtest/gtest.h"
#include "tests/launcher/process/support.h"

namespace muster::process {
namespace {

// A service under a keeper, and what its own callbacks have said.
struct Service {
  explicit Service(Agent& agent, SpawnRequest request) {
    request.id = 1'000'000;
    request.service = true;
    agent.client->Spawn(
        std::move(request),
        {.on_spawned =
             [this](pid_t started, ProcessPipes pipes) {
               pid = started;
               in.Reset(pipes.stdin_fd);
               out.Reset(pipes.stdout_fd);
               err.Reset(pipes.stderr_fd);
             },
         .on_spawn_failed = [this](const SpawnFailure& f) { failure = f; },
         .on_exited = [this](ExitStatus s) { status = s; }});
    EXPECT_TRUE(agent.RunUntil([this] { return pid != 0 || failure; }));
  }

  pid_t pid = 0;
  UniqueFd in, out, err;
  std::optional<SpawnFailure> failure;
  std::optional<ExitStatus> status;
};

TEST(Service, ReadsWhatIsWrittenToItsStandardInput) {
  Agent agent;
  SpawnRequest request = Request({"cat"});
  request.piped_stdin = true;
  Service cat(agent, std::move(request));
  ASSERT_TRUE(cat.in.valid());
  ASSERT_EQ(write(cat.in.get(), "to be\nor not", 12), 12);
  cat.in.Reset();
  EXPECT_EQ(ReadAll(cat.out.get()), "to be\nor not");
  EXPECT_TRUE(agent.RunUntil([&] { return cat.status.has_value(); }));
  EXPECT_EQ(cat.status, ExitStatus::Exited(0));
}

TEST(Service, OutlivesAStopThatEndsTheWorkersAndEndsWithTheRun) {
  Agent agent;
  Service service(agent, Request({"sleep", "1000"}));
  Agent::Worker& worker = agent.Start({"sleep", "1000"});
  agent.client->Stop(absl::Seconds(20));
  EXPECT_EQ(agent.End(worker), ExitStatus::Signaled(SIGTERM));
  EXPECT_FALSE(service.status.has_value());
  // The stop is over although the service lives: workers can be started.
  EXPECT_EQ(agent.End(agent.Start({"true"})), ExitStatus::Exited(0));
  agent.Finish();
  EXPECT_EQ(service.status, ExitStatus::Signaled(SIGTERM));
}

TEST(Service, IsNoWorkerWhenAllWorkersAreSignalled) {
  Agent agent;
  Service service(agent, Request({"sleep", "1000"}));
  Agent::Worker& worker = agent.Start({"sleep", "1000"});
  agent.client->SignalAll(SIGUSR1);
  EXPECT_EQ(agent.End(worker), ExitStatus::Signaled(SIGUSR1));
  EXPECT_FALSE(service.status.has_value());
  agent.client->Signal(1'000'000, SIGUSR2);
  EXPECT_TRUE(agent.RunUntil([&] { return service.status.has_value(); }));
  EXPECT_EQ(service.status, ExitStatus::Signaled(SIGUSR2));
}

TEST(Service, EndsWithoutTheWorkersGraceWhenTheAgentDies) {
  Agent agent;
  Service service(agent, Request({"sleep", "1000"}));
  const UniqueFd alive = OpenPidfd(service.pid);
  const UniqueFd keeper = OpenPidfd(agent.keeper);
  agent.client.reset();
  EXPECT_TRUE(EndsInTime(alive));
  EXPECT_TRUE(EndsInTime(keeper));
}

TEST(Service, TellsItsOwnerWhyItCouldNotStart) {
  Agent agent;
  Service service(agent, Request({"/no/such/mpirun"}));
  ASSERT_TRUE(service.failure.has_value());
  EXPECT_EQ(service.failure->ExitCode(), 127);
}

TEST(Service, AndWorkersCanBeBoundToProcessors) {
  Agent agent;
  cpu_set_t all;
  ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
  int last = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &all)) last = cpu;
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(last, &one);
  SpawnRequest request = Request({"sh", "-c", "taskset -pc $$"});
  request.processors.assign(reinterpret_cast<const char*>(&one), sizeof one);
  EXPECT_TRUE(agent.Output(std::move(request))
                  .ends_with("list: " + std::to_string(last) + "\n"));
}

}  // namespace
}  // namespace muster::process
