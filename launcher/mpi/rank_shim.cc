#include "launcher/mpi/rank_shim.h"

#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
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

RankStart MakeStart(const char* const* environment, bool* has_rank) {
  RankStart start;
  for (; *environment; ++environment) {
    const std::string text = *environment;
    const size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) continue;
    Variable* variable = start.add_environment();
    variable->set_name(text.substr(0, equals));
    variable->set_value(text.substr(equals + 1));
    uint32_t rank = 0;
    if (variable->name() == kRank &&
        absl::SimpleAtoi(variable->value(), &rank)) {
      start.set_rank(rank);
      *has_rank = true;
    }
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

int RunRankShim(const std::string& agent, const char* const* environment) {
  LocalRequest request;
  bool has_rank = false;
  *request.mutable_rank() = MakeStart(environment, &has_rank);
  if (!has_rank) {
    return Complain("mpi-rank: for mpirun alone, which sets " +
                    std::string(kRank));
  }
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
