// What the agent itself has to reap: the keeper, at the end, and, as PID 1 of
// a container, whatever the kernel hands to it.
#ifndef MUSTER_LAUNCHER_PROCESS_REAPING_H_
#define MUSTER_LAUNCHER_PROCESS_REAPING_H_

#include <sys/types.h>

#include "absl/time/time.h"

namespace muster::process {

// Reaps every child of this process that has ended, but the keeper, whose end
// is its client's to see. To be called on each SIGCHLD; does not block.
void ReapStrays(pid_t keeper);

// Waits until the keeper, whose socket is closed, has ended. False when it has
// not within `limit`; it goes on by itself then.
bool AwaitKeeper(pid_t keeper, absl::Duration limit);

}  // namespace muster::process

#endif  // MUSTER_LAUNCHER_PROCESS_REAPING_H_
