#include "env/frameworks/jax.h"

#include "absl/strings/str_cat.h"

namespace muster::env {

Variables JaxVariables(const Placement& placement) {
  Variables result = {
      {"JAX_COORDINATOR_ADDRESS",
       AddressWithPort(placement.master_address, placement.master_port)},
      {"JAX_NUM_PROCESSES", absl::StrCat(placement.world_size)},
      {"JAX_PROCESS_ID", absl::StrCat(placement.rank)},
  };
  if (placement.one_gpu_each && placement.local_rank < placement.gpus.size()) {
    // Not by assignment, at which GCC 12 warns falsely where it optimizes.
    result.emplace("JAX_LOCAL_DEVICE_IDS", "0");
  }
  return result;
}

}  // namespace muster::env
