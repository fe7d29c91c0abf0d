#ifndef MUSTER_LAUNCHER_PROCESS_KEEPER_H_
#define MUSTER_LAUNCHER_PROCESS_KEEPER_H_

#include <sys/types.h>

#include "absl/status/statusor.h"
#include "launcher/process/unique_fd.h"

namespace muster::process {

// The agent's end of a keeper: give it to a KeeperClient. Closing the socket
// makes the keeper stop every worker and leave.
struct KeeperHandle {
  pid_t pid = 0;
  UniqueFd socket;
};

// Starts the keeper: a small process with one thread that alone spawns,
// signals and reaps the workers, so that the agent never forks.
//
// Life cycle: it works until its socket ends, which is when the agent closes
// it or dies, however it died. Then it stops the workers (SIGTERM, the orphan
// grace, SIGKILL), sweeps whatever still descends from it, and exits. When the
// keeper itself is killed, the kernel kills the workers; what those leave
// behind falls to the agent: see orphans.h.
//
// It has a session of its own, so Ctrl-C does not reach it; it ignores every
// signal that can be ignored; of the caller's descriptors it keeps stderr.
class Keeper {
 public:
  // Forks it. To be called by `main` while the process has one thread, before
  // anything of gRPC exists and before RLIMIT_NOFILE is raised: the workers
  // get the limits and, unless told otherwise, the directory of this moment.
  //
  // ResourceExhausted: no socket pair (open files) or no process.
  static absl::StatusOr<KeeperHandle> Fork();
};

}  // namespace muster::process

#endif  // MUSTER_LAUNCHER_PROCESS_KEEPER_H_
