#ifndef MUSTER_ENV_FRAMEWORKS_PLAIN_H_
#define MUSTER_ENV_FRAMEWORKS_PLAIN_H_

#include "env/frameworks/placement.h"
#include "env/frameworks/variables.h"

namespace muster::env {

// The contract of --framework plain, and the part that every framework shares.
// Facts: RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, NODE_RANK,
// MASTER_ADDR, MASTER_PORT, and with one_gpu_each CUDA_VISIBLE_DEVICES.
// Defaults: PYTHONUNBUFFERED=1, so that output is not held back in the worker.
FrameworkVariables PlainVariables(const Placement& placement);

}  // namespace muster::env

#endif  // MUSTER_ENV_FRAMEWORKS_PLAIN_H_
