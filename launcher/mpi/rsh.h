// `muster rsh HOST COMMAND...`: the client.
#ifndef MUSTER_LAUNCHER_MPI_RSH_H_
#define MUSTER_LAUNCHER_MPI_RSH_H_

#include <string>
#include <vector>

#include "launcher/mpi/services.h"

namespace muster::mpi {

// What the process finds around it.
struct RshSurroundings {
  std::string agent;  // MUSTER_AGENT_SOCKET; may be ""
  Environment environment;
  std::string working_directory;
};

// Runs the words, joined by spaces, in a shell on another node of the job, as
// every remote shell does: quotes in them count there. Standard input, output
// and error, the exit status, and SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1 and
// SIGUSR2 are carried; of the environment what differs from that of this node's
// agent; and the working directory, where it differs.
//
// Returns the command's exit code, or 128 + its signal. A command that never
// ran gives one of the contract's: 69 when the agent is not there or is lost,
// 75 when the other node is or can't start it, 77 when the agent refuses.
//
// For a process with one thread, whose signals it takes over.
int RunRsh(const std::string& host, const std::vector<std::string>& words,
           const RshSurroundings& surroundings);

}  // namespace muster::mpi

#endif  // MUSTER_LAUNCHER_MPI_RSH_H_
