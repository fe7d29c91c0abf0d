#include "env/frameworks/gpu_shares.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace muster::env {

absl::StatusOr<std::vector<std::optional<std::string>>> ShareGpus(
    const std::vector<std::string>& gpus,
    const std::vector<std::string>& task_types, bool bind) {
  const auto workers = static_cast<size_t>(std::count_if(
      task_types.begin(), task_types.end(), [](const std::string& type) {
        return type == "worker" || type == "chief";
      }));
  bind = bind && !gpus.empty();
  if (bind && gpus.size() < workers) {
    return absl::FailedPreconditionError(absl::StrCat(
        gpus.size(), " visible GPUs for ", workers,
        " workers; start fewer of them on a node (--worker-count, "
        "--nproc-per-node), check CUDA_VISIBLE_DEVICES, or let them share "
        "with --gpu-binding none"));
  }
  const size_t each = workers == 0 ? 0 : gpus.size() / workers;
  size_t next = 0;
  std::vector<std::optional<std::string>> shares;
  for (const std::string& type : task_types) {
    if (type == "ps") {
      shares.emplace_back("");
    } else if (!bind) {
      shares.emplace_back(std::nullopt);
    } else {
      // The evaluator comes last and takes the rest.
      const size_t end = type == "evaluator" ? gpus.size() : next + each;
      shares.emplace_back(
          absl::StrJoin(gpus.begin() + static_cast<std::ptrdiff_t>(next),
                        gpus.begin() + static_cast<std::ptrdiff_t>(end), ","));
      next = end;
    }
  }
  return shares;
}

}  // namespace muster::env
