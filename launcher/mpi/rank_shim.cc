#include "launcher/mpi/rank_shim.h"

#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "launcher/mpi/local_socket.h"
#include "proto/local.pb.h"

namespace muster::mpi {
namespace {

constexpr char kRank[] = "OMPI_COMM_WORLD_RANK";

int Complain(const std::string& text) {
  fprintf(stderr, "muster: %s\n", text.c_str());
  return 1;
}

// Nothing where Open MPI has set no rank.
std::optional<RankStart> MakeStart(const Environment& environment) {
  const auto found = environment.find(kRank);
  uint32_t rank = 0;
  if (found == environment.end() || !absl::SimpleAtoi(found->second, &rank)) {
    return std::nullopt;
  }
  RankStart start;
  start.set_rank(rank);
  for (const auto& [name, value] : environment) {
    Variable* variable = start.add_environment();
    variable->set_name(name);
    variable->set_value(value);
  }
  cpu_set_t processors;
  if (sched_getaffinity(0, sizeof processors, &processors) == 0) {
    start.set_processors(&processors, sizeof processors);
  }
  return start;
}

// Ends this process by the signal, so that mpirun sees what happened.
[[noreturn]] void DieOf(int signo) {
  prctl(PR_SET_DUMPABLE, 0);  // no core file of a shim
  signal(signo, SIG_DFL);
  sigset_t all;
  sigemptyset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  raise(signo);
  _exit(128 + signo);
}

}  // namespace

int RunRankShim(const std::string& agent, const Environment& environment) {
  std::optional<RankStart> start = MakeStart(environment);
  if (!start) {
    return Complain("mpi-rank: for mpirun alone, which sets " +
                    std::string(kRank));
  }
  LocalRequest request;
  *request.mutable_rank() = *std::move(start);
  absl::StatusOr<process::UniqueFd> socket = ConnectToAgent(agent);
  if (!socket.ok()) return Complain(std::string(socket.status().message()));
  AgentLine line(*std::move(socket));
  LocalReply reply;
  if (!line.Send(request) || !line.Receive(&reply)) {
    return Complain("this node's agent has ended");
  }
  if (reply.has_refused()) return Complain(reply.refused());
  if (reply.rank().has_signal()) {
    DieOf(static_cast<int>(reply.rank().signal()));
  }
  return static_cast<int>(reply.rank().exit_code());
}

}  // namespace muster::mpi
