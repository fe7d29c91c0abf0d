#ifndef MUSTER_ENV_FRAMEWORKS_PYTORCH_H_
#define MUSTER_ENV_FRAMEWORKS_PYTORCH_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "env/frameworks/placement.h"
#include "env/frameworks/variables.h"

namespace muster::env {

// The contract of --framework pytorch: that of plain, and
// - what torchrun gives its workers, with all workers in one role, "default".
//   TORCHELASTIC_USE_AGENT_STORE is left out on purpose: rank 0 itself has to
//   listen on MASTER_PORT, there is no store of the agent's to join;
// - Azure's AZ_BATCHAI_PYTORCH_BACKEND and AZ_BATCHAI_PYTORCH_INIT_METHOD; the
//   latter names the InitFile(), if there is one;
// - as defaults: OMP_NUM_THREADS=1 with several workers on the node,
//   TORCH_NCCL_ASYNC_ERROR_HANDLING=1, and the interface, if known, as
//   NCCL_SOCKET_IFNAME and GLOO_SOCKET_IFNAME.
FrameworkVariables PytorchVariables(const Placement& placement);

// The file in which PyTorch's processes meet with an init_method of
// file:///SHARED/DIR, "" with any other: in that directory, the same for all
// ranks, and another one for each run and attempt, since PyTorch hangs on a
// file that an earlier attempt has left behind.
std::string InitFile(absl::string_view init_method, absl::string_view run_id,
                     uint32_t attempt);

}  // namespace muster::env

#endif  // MUSTER_ENV_FRAMEWORKS_PYTORCH_H_
