// The batch systems that tell their hosts by a file or a list: LSF, PBS (with
// Torque and Cobalt) and SGE. Their job script runs on the first host; what it
// starts on the others must be given the same variables.
#ifndef MUSTER_ENV_SCHEDULERS_BATCH_H_
#define MUSTER_ENV_SCHEDULERS_BATCH_H_

#include "env/schedulers/inputs.h"
#include "env/schedulers/reading.h"

namespace muster::env {

// LSB_JOBID with LSB_DJOB_HOSTFILE, LSB_MCPU_HOSTS ("h1 4 h2 4") or LSB_HOSTS.
// Under jsrun, LSB_DJOB_RANKFILE without its first line, which is the node that
// launched the job.
//
// Errors:
//   InvalidArgument  as MaybeDiscovery says; this node is not in the list.
//   AlreadyExists    a process of jsrun beside the first one on its node.
MaybeDiscovery DiscoverLsf(const Inputs& inputs);

// PBS_ENVIRONMENT and PBS_JOBID with PBS_NODEFILE, or COBALT_JOBID with
// COBALT_NODEFILE: a line for each slot.
//
// Errors:
//   InvalidArgument     as MaybeDiscovery says; this node is not in the list.
//   FailedPrecondition  the file is not there: it is on the first host only.
MaybeDiscovery DiscoverPbs(const Inputs& inputs);

// SGE_ROOT and JOB_ID with PE_HOSTFILE: "HOST SLOTS QUEUE PROCESSORS".
// Errors: as DiscoverPbs().
MaybeDiscovery DiscoverSge(const Inputs& inputs);

}  // namespace muster::env

#endif  // MUSTER_ENV_SCHEDULERS_BATCH_H_
