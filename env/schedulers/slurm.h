// Slurm: the step that srun started this agent in.
#ifndef MUSTER_ENV_SCHEDULERS_SLURM_H_
#define MUSTER_ENV_SCHEDULERS_SLURM_H_

#include "env/schedulers/inputs.h"
#include "env/schedulers/reading.h"

namespace muster::env {

// In a step: SLURM_STEP_NUM_NODES and SLURM_NODEID, which is an index into
// SLURM_STEP_NODELIST and never into SLURM_JOB_NODELIST; SLURM_JOB_ID and
// SLURM_STEP_ID. In a batch script of one node: one node.
//
// Errors:
//   InvalidArgument     as MaybeDiscovery says; nodes and node list differ.
//   FailedPrecondition  the batch script, or an interactive shell, of several
//                       nodes: srun has to start the agents; several
//                       components of a heterogeneous job.
//   AlreadyExists       a task beside the first one on its node.
MaybeDiscovery DiscoverSlurm(const Inputs& inputs);

}  // namespace muster::env

#endif  // MUSTER_ENV_SCHEDULERS_SLURM_H_
