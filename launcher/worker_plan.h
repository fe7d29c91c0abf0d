// From an assignment to what is started: a pure function.
#ifndef MUSTER_LAUNCHER_WORKER_PLAN_H_
#define MUSTER_LAUNCHER_WORKER_PLAN_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "env/frameworks/placement.h"
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
  std::string processors;  // a cpu_set_t; "" for all
};

// CUDA_VISIBLE_DEVICES of each worker of this node, by local rank, in a
// TensorFlow job. Errors: those of env::ShareGpus().
absl::StatusOr<std::vector<std::optional<std::string>>> ShareOfGpus(
    const JobSpec& spec, const Node& node, const Assignment& assignment);

// Where each worker of this node stands, by local rank. `interface` is the one
// over which this node reaches the others, `job_temp` the run's temporary
// directory ("" for none), `cluster` every task of a TensorFlow job.
// Errors: those of ShareOfGpus().
absl::StatusOr<std::vector<env::Placement>> PlaceWorkers(
    const JobSpec& spec, const Node& node, const Assignment& assignment,
    const std::string& interface, const std::string& job_temp,
    const Cluster& cluster = {});

// The nodes of the job by rank, as host lists name them.
std::vector<env::JobNode> NodesOf(const Assignment& assignment);

// --env.
env::Variables UserVariables(const JobSpec& spec);

// The command with the variables' values in its arguments.
std::vector<std::string> ExpandCommand(const JobSpec& spec,
                                       const env::Variables& environment);

// The worker at that place. `inherited` is the environment that it is started
// in, with what is not for workers. Errors: those of env::WorkerEnvironment().
absl::StatusOr<WorkerPlan> PlanWorker(const JobSpec& spec,
                                      const env::Placement& place,
                                      const env::Variables& inherited);

// The workers of this node, by local rank. `inherited` is the agent's own
// environment; the rest is as for PlaceWorkers().
// Errors: those of env::WorkerEnvironment() and of ShareOfGpus().
absl::StatusOr<std::vector<WorkerPlan>> PlanWorkers(
    const JobSpec& spec, const Node& node, const Assignment& assignment,
    const std::string& interface, const env::Variables& inherited,
    const std::string& job_temp = "", const Cluster& cluster = {});

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_WORKER_PLAN_H_
