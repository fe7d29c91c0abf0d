#ifndef MUSTER_ENV_FRAMEWORKS_GPU_SHARES_H_
#define MUSTER_ENV_FRAMEWORKS_GPU_SHARES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace muster::env {

// CUDA_VISIBLE_DEVICES of each TensorFlow task of one node, by local rank; not
// set means: left as it is. `gpus` are the node's, as entries of that variable,
// `task_types` what runs there: "ps", "chief", "worker", "evaluator".
// - A parameter server sees no GPU: TensorFlow would take all of its memory.
// - Chief and workers get equal parts, since strategies that work in step need
//   the same number of GPUs everywhere, in the order of the GPUs.
// - What does not come out even is the evaluator's, which has none otherwise.
// On a node without GPUs, and with `bind` false, only the first rule counts.
//
// Errors: FailedPrecondition when there are fewer GPUs than workers.
absl::StatusOr<std::vector<std::optional<std::string>>> ShareGpus(
    const std::vector<std::string>& gpus,
    const std::vector<std::string>& task_types, bool bind);

}  // namespace muster::env

#endif  // MUSTER_ENV_FRAMEWORKS_GPU_SHARES_H_
