#ifndef MUSTER_ENV_FRAMEWORKS_VARIABLES_H_
#define MUSTER_ENV_FRAMEWORKS_VARIABLES_H_

#include "env/variables.h"

namespace muster::env {

// What a framework's contract adds to the environment of one worker.
struct FrameworkVariables {
  // Facts of this worker, such as its rank: they replace what the agent was
  // started with.
  Variables facts;
  // Settings, such as NCCL_SOCKET_IFNAME: they yield to what the agent was
  // started with.
  Variables defaults;
};

}  // namespace muster::env

#endif  // MUSTER_ENV_FRAMEWORKS_VARIABLES_H_
