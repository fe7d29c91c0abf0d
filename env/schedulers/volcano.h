// Volcano's jobs on Kubernetes.
#ifndef MUSTER_ENV_SCHEDULERS_VOLCANO_H_
#define MUSTER_ENV_SCHEDULERS_VOLCANO_H_

#include "env/schedulers/inputs.h"
#include "env/schedulers/reading.h"

namespace muster::env {

// VC_TASK_INDEX (VK_TASK_INDEX in older versions), which counts from 0 within
// one task of the job, and the hosts of every task: VC_<TASK>_HOSTS, or the
// files /etc/volcano/<task>.host where the job leaves the variables out. The
// tasks are taken in alphabetical order; this node's task is the one whose
// host it is.
//
// Errors: InvalidArgument as MaybeDiscovery says; a task's hosts and its
// VC_<TASK>_NUM differ.
MaybeDiscovery DiscoverVolcano(const Inputs& inputs);

}  // namespace muster::env

#endif  // MUSTER_ENV_SCHEDULERS_VOLCANO_H_
