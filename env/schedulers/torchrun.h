// torchrun's own variables, and those that look like them.
#ifndef MUSTER_ENV_SCHEDULERS_TORCHRUN_H_
#define MUSTER_ENV_SCHEDULERS_TORCHRUN_H_

#include "absl/status/status.h"
#include "env/schedulers/inputs.h"
#include "env/schedulers/reading.h"

namespace muster::env {

// Whether this process is a worker of another launcher, or of muster.
//
// Errors:
//   AlreadyExists  it is; the text names the variable that tells.
absl::Status CheckNotNested(const Variables& variables);

// PET_NNODES, PET_NODE_RANK, PET_RDZV_ENDPOINT, PET_MASTER_ADDR, ...:
// torchrun's flags as variables, which Kubeflow Trainer sets on every node.
// Errors: InvalidArgument as MaybeDiscovery says.
MaybeDiscovery DiscoverPet(const Inputs& inputs);

// RANK and WORLD_SIZE as counts of nodes, with MASTER_ADDR and MASTER_PORT, as
// the PyTorchJob of Kubeflow's training operator, Volcano's plugin for PyTorch
// and PAI set them. Nothing in the environment tells them from the same
// variables of a process, so nothing is found unless inputs.level is kNode.
// Errors: InvalidArgument as MaybeDiscovery says, also when one is missing.
MaybeDiscovery DiscoverPytorchJob(const Inputs& inputs);

// What to say where RANK and WORLD_SIZE are set, nothing else tells, and the
// user did not say what they count; OK where that is not so.
//
// Errors:
//   FailedPrecondition  they are ambiguous; the text names --env-level.
absl::Status CheckNotAmbiguous(const Inputs& inputs);

}  // namespace muster::env

#endif  // MUSTER_ENV_SCHEDULERS_TORCHRUN_H_
