// How mpirun is called, and which ones are good enough. Pure functions.
#ifndef MUSTER_LAUNCHER_MPI_MPIRUN_H_
#define MUSTER_LAUNCHER_MPI_MPIRUN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace muster::mpi {

// A version of Open MPI.
struct Version {
  uint32_t major = 0;
  std::string text;  // "4.1.4"

  // The daemon that it starts on the other nodes.
  const char* daemon() const { return major >= 5 ? "prted" : "orted"; }
};

// Reads what `mpirun --version` has printed.
//
// Errors:
//   INVALID_ARGUMENT     that is not Open MPI's mpirun; the message names what
//                        it seems to be.
//   FAILED_PRECONDITION  it is older than 4.0.
absl::StatusOr<Version> ParseVersion(absl::string_view output);

struct MpirunOptions {
  Version version;
  std::vector<std::string> hosts;  // by node rank, as HostLabels() has them
  std::vector<uint32_t> slots;     // workers of each
  // How a command is run on another node: a program and its first argument,
  // separated by a space, without spaces and colons in themselves. Only
  // mpirun's own node needs to have it.
  std::string remote_agent;
  // The network over which the nodes were proved to reach each other, as
  // "10.0.0.0/24"; "" leaves the choice to Open MPI.
  std::string network;
  // The user's own; a later setting of a parameter beats an earlier one.
  std::vector<std::string> user_arguments;
  // What each rank's process is.
  std::vector<std::string> program;
};

// The command line: one process for each slot, numbered node by node.
std::vector<std::string> MpirunCommand(const MpirunOptions& options);

}  // namespace muster::mpi

#endif  // MUSTER_LAUNCHER_MPI_MPIRUN_H_
