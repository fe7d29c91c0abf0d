#ifndef MUSTER_ENV_FRAMEWORKS_JAX_H_
#define MUSTER_ENV_FRAMEWORKS_JAX_H_

#include "env/frameworks/placement.h"
#include "env/frameworks/variables.h"

namespace muster::env {

// What JAX needs to know, for --framework plain: JAX_COORDINATOR_ADDRESS, at
// which process 0 itself listens; JAX_NUM_PROCESSES and JAX_PROCESS_ID, for the
// script to hand to jax.distributed.initialize(), as JAX itself reads only the
// other two; and with one_gpu_each JAX_LOCAL_DEVICE_IDS=0, as the worker's own
// GPU is the only one that it sees.
Variables JaxVariables(const Placement& placement);

}  // namespace muster::env

#endif  // MUSTER_ENV_FRAMEWORKS_JAX_H_
