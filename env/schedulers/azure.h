// Azure ML and Azure Batch.
#ifndef MUSTER_ENV_SCHEDULERS_AZURE_H_
#define MUSTER_ENV_SCHEDULERS_AZURE_H_

#include "env/schedulers/inputs.h"
#include "env/schedulers/reading.h"

namespace muster::env {

// Azure ML: AZUREML_CR_DISTRIBUTED_CONFIG, a JSON text with "host_list" and
// "rank", the *name* of the variable with this node's index; where it is not
// set, AZUREML_NODE_COUNT with AZUREML_CR_NODE_RANK or NODE_RANK and the
// master's address.
//
// Errors:
//   InvalidArgument  as MaybeDiscovery says.
//   AlreadyExists    a process beside the first one on its node.
MaybeDiscovery DiscoverAzureMl(const Inputs& inputs);

// Azure Batch, multi-instance tasks: AZ_BATCH_HOST_LIST (commas) or
// AZ_BATCH_NODE_LIST (semicolons), in which this node finds its own address,
// and AZ_BATCH_MASTER_NODE, whose port is Batch's own and is left alone. The
// master is node 0, wherever it stands in the list.
//
// Errors: InvalidArgument as MaybeDiscovery says.
MaybeDiscovery DiscoverAzureBatch(const Inputs& inputs);

}  // namespace muster::env

#endif  // MUSTER_ENV_SCHEDULERS_AZURE_H_
