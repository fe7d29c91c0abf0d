// From an assignment to what is started: a pure function.
#ifndef MUSTER_LAUNCHER_WORKER_PLAN_H_
#define MUSTER_LAUNCHER_WORKER_PLAN_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "env/frameworks/variables.h"
#include "launcher/node.h"
#include "proto/job.pb.h"
#include "proto/rendezvous.pb.h"

namespace muster::launcher {

// One worker, ready to be started.
struct WorkerPlan {
  uint32_t rank = 0;
  std::vector<std::string> argv;
  env::Variables environment;
};

// CUDA_VISIBLE_DEVICES of each worker of this node, by local rank, in a
// TensorFlow job. Errors: those of env::ShareGpus().
absl::StatusOr<std::vector<std::optional<std::string>>> ShareOfGpus(
    const JobSpec& spec, const Node& node, const Assignment& assignment);

// The workers of this node, by local rank. `inherited` is the agent's own
// environment, `interface` the one over which this node reaches the others, and
// `cluster` every task of a TensorFlow job.
// Errors: those of env::WorkerEnvironment() and of ShareOfGpus().
absl::StatusOr<std::vector<WorkerPlan>> PlanWorkers(
    const JobSpec& spec, const Node& node, const Assignment& assignment,
    const std::string& interface, const env::Variables& inherited,
    const Cluster& cluster = {});

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_WORKER_PLAN_H_
