#ifndef MUSTER_LAUNCHER_PROCESS_ORPHANS_H_
#define MUSTER_LAUNCHER_PROCESS_ORPHANS_H_

#include <sys/types.h>

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "launcher/process/descendants.h"

namespace muster::process {

// For the agent, in case that its keeper is killed: the workers die with the
// keeper, and what they had started falls to the agent, if it is a subreaper.

// Makes this process the parent of every descendant that loses its own, and
// gives SIGCHLD its default back, without which exits would go unseen. To be
// called by `main` before it forks the keeper.
//
// Unavailable: the kernel refuses (older than 3.4, or a sandbox).
absl::Status BecomeSubreaper();

// SIGKILLs everything below `root`, this process, and reaps what falls to it,
// again and again until nothing is left. Blocks for as long as that takes: a
// few milliseconds as a rule, `limit` at most. Returns what it killed; what
// survived `limit` is marked as not gone.
//
// InvalidArgument: `root` is not this process, which can reap only its own.
// Unavailable: /proc cannot be read.
absl::StatusOr<std::vector<Killed>> KillDescendants(
    pid_t root, absl::Duration limit = absl::Seconds(10));

}  // namespace muster::process

#endif  // MUSTER_LAUNCHER_PROCESS_ORPHANS_H_
