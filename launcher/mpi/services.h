// What mpirun and its daemons are to the rest of the agent.
#ifndef MUSTER_LAUNCHER_MPI_SERVICES_H_
#define MUSTER_LAUNCHER_MPI_SERVICES_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "launcher/process/exit_status.h"
#include "launcher/process/service_keeper.h"
#include "proto/rendezvous.pb.h"

namespace muster::mpi {

using Environment = std::map<std::string, std::string>;

// Where a service finds this very executable.
inline constexpr char kProgramVariable[] = "MUSTER_PROGRAM";

// Tells the job's own mpirun from one that a user runs beside it.
inline constexpr char kLauncherVariable[] = "MUSTER_LAUNCHER";

using process::kFirstServiceId;
using process::ServiceKeeper;

// How much of a remote command's stream may be on its way without a credit, and
// the most that one frame carries.
inline constexpr size_t kRemoteWindow = 128 * 1024;
inline constexpr size_t kRemoteChunk = 16 * 1024;

// What a frame of so many bytes takes of the window: a frame has its price, or
// a stream of single bytes would be a flood of frames within it.
inline constexpr size_t RemoteCost(size_t bytes) {
  return std::max<size_t>(bytes, 2 * 1024);
}

// How long the output of a remote command is awaited after its end, where
// something that it has started holds its pipes.
inline constexpr std::chrono::milliseconds kRemoteDrain{500};

// What the coordinator is told of a service's end; pid 0 for one that could not
// be started.
ServiceEnded EndOfService(const std::string& name, pid_t pid,
                          process::ExitStatus status,
                          const std::string& stderr_tail);

}  // namespace muster::mpi

#endif  // MUSTER_LAUNCHER_MPI_SERVICES_H_
