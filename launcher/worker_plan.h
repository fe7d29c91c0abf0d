// From an assignment to what is started: a pure function.
#ifndef MUSTER_LAUNCHER_WORKER_PLAN_H_
#define MUSTER_LAUNCHER_WORKER_PLAN_H_

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
  std::string processors;  // a cpu_set_t; "" for all
};

// The workers of this node, by local rank. `inherited` is the agent's own
// environment and `interface` the one over which this node reaches the others.
// Errors: those of env::WorkerEnvironment().
absl::StatusOr<std::vector<WorkerPlan>> PlanWorkers(
    const JobSpec& spec, const Node& node, const Assignment& assignment,
    const std::string& interface, const env::Variables& inherited);

// One of them alone, where each has its own `inherited` environment.
absl::StatusOr<WorkerPlan> PlanWorker(const JobSpec& spec, const Node& node,
                                      const Assignment& assignment,
                                      const std::string& interface,
                                      const env::Variables& inherited,
                                      uint32_t local_rank);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_WORKER_PLAN_H_
