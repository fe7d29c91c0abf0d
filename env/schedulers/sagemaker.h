// Amazon SageMaker's training jobs.
#ifndef MUSTER_ENV_SCHEDULERS_SAGEMAKER_H_
#define MUSTER_ENV_SCHEDULERS_SAGEMAKER_H_

#include "env/schedulers/inputs.h"
#include "env/schedulers/reading.h"

namespace muster::env {

// SM_HOSTS (a JSON list), SM_CURRENT_HOST and SM_NETWORK_INTERFACE_NAME; with
// several instance groups, the hosts of those in
// SM_DISTRIBUTION_INSTANCE_GROUPS; else
// /opt/ml/input/config/resourceconfig.json, which is there in images without
// SageMaker's toolkit too. Hosts are ordered byte by byte, as SageMaker orders
// them: algo-10 before algo-2.
//
// Errors: InvalidArgument as MaybeDiscovery says.
MaybeDiscovery DiscoverSageMaker(const Inputs& inputs);

}  // namespace muster::env

#endif  // MUSTER_ENV_SCHEDULERS_SAGEMAKER_H_
