#include "launcher/worker_plan.h"

#include <utility>

#include "env/frameworks/environment.h"
#include "env/frameworks/expand.h"

namespace muster::launcher {

absl::StatusOr<WorkerPlan> PlanWorker(const JobSpec& spec, const Node& node,
                                      const Assignment& assignment,
                                      const std::string& interface,
                                      const env::Variables& inherited,
                                      uint32_t local_rank) {
  env::EnvironmentSources sources;
  sources.inherited = inherited;
  for (const Variable& variable : spec.worker_env()) {
    sources.user[variable.name()] = variable.value();
  }
  env::Placement place;
  place.job_id = spec.agreement().job_id();
  place.run_id = assignment.run_id();
  place.attempt = assignment.attempt();
  place.node_rank = assignment.node_rank();
  place.node_count = assignment.node_count();
  place.local_world_size = node.workers;
  place.world_size = assignment.world_size();
  place.master_address = assignment.master_address();
  place.master_port = assignment.master_port();
  place.interface = interface;
  place.gpus = node.gpus;
  place.one_gpu_each = spec.gpu_binding() == GPU_BINDING_ONE;
  place.backend = BackendOf(spec, node);
  place.init_method = spec.agreement().init_method();

  place.local_rank = local_rank;
  place.rank = assignment.first_rank() + local_rank;
  absl::StatusOr<env::Variables> environment =
      env::WorkerEnvironment(spec.agreement().framework(), place, sources);
  if (!environment.ok()) return environment.status();
  WorkerPlan plan;
  plan.rank = place.rank;
  plan.environment = *std::move(environment);
  for (const std::string& argument : spec.agreement().command()) {
    plan.argv.push_back(env::ExpandVariables(argument, plan.environment));
  }
  return plan;
}

absl::StatusOr<std::vector<WorkerPlan>> PlanWorkers(
    const JobSpec& spec, const Node& node, const Assignment& assignment,
    const std::string& interface, const env::Variables& inherited) {
  std::vector<WorkerPlan> plans;
  for (uint32_t local_rank = 0; local_rank < node.workers; ++local_rank) {
    absl::StatusOr<WorkerPlan> plan =
        PlanWorker(spec, node, assignment, interface, inherited, local_rank);
    if (!plan.ok()) return plan.status();
    plans.push_back(*std::move(plan));
  }
  return plans;
}

}  // namespace muster::launcher
