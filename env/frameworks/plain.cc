#include "env/frameworks/plain.h"

#include "absl/strings/str_cat.h"

namespace muster::env {

FrameworkVariables PlainVariables(const Placement& placement) {
  FrameworkVariables result;
  result.facts = {
      {"LOCAL_RANK", absl::StrCat(placement.local_rank)},
      {"LOCAL_WORLD_SIZE", absl::StrCat(placement.local_world_size)},
      {"MASTER_ADDR", placement.master_address},
      {"MASTER_PORT", PortText(placement.master_port)},
      {"NODE_RANK", absl::StrCat(placement.node_rank)},
      {"RANK", absl::StrCat(placement.rank)},
      {"WORLD_SIZE", absl::StrCat(placement.world_size)},
  };
  if (placement.one_gpu_each && placement.local_rank < placement.gpus.size()) {
    result.facts["CUDA_VISIBLE_DEVICES"] = placement.gpus[placement.local_rank];
  }
  result.defaults.emplace("PYTHONUNBUFFERED", "1");
  return result;
}

}  // namespace muster::env
