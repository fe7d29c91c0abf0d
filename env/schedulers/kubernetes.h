// Kubernetes' Indexed Jobs, and JobSets made of them.
#ifndef MUSTER_ENV_SCHEDULERS_KUBERNETES_H_
#define MUSTER_ENV_SCHEDULERS_KUBERNETES_H_

#include "env/schedulers/inputs.h"
#include "env/schedulers/reading.h"

namespace muster::env {

// JOB_COMPLETION_INDEX, and pod 0's name, from the line that the kubelet
// writes into /etc/hosts for a pod with a subdomain: "ADDRESS
// <job>-<index>.<subdomain>.... <job>-<index>". In a JobSet the host is
// <set>-<replicated job>-<job index>-<index> in the subdomain <set>; then pod 0
// of job 0 is where the nodes meet, and only job 0's pods get their rank from
// the index. The number of nodes (completions) is not in a pod's environment.
//
// Errors: InvalidArgument as MaybeDiscovery says.
MaybeDiscovery DiscoverKubernetes(const Inputs& inputs);

}  // namespace muster::env

#endif  // MUSTER_ENV_SCHEDULERS_KUBERNETES_H_
