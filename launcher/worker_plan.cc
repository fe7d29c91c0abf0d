#include "launcher/worker_plan.h"

#include <utility>

#include "env/frameworks/environment.h"
#include "env/frameworks/expand.h"
#include "launcher/job_temp.h"

namespace muster::launcher {

std::vector<env::Placement> PlaceWorkers(const JobSpec& spec, const Node& node,
                                         const Assignment& assignment,
                                         const std::string& interface,
                                         const std::string& job_temp) {
  env::Placement place;
  place.job_id = spec.agreement().job_id();
  place.run_id = assignment.run_id();
  place.attempt = assignment.attempt();
  place.node_rank = assignment.node_rank();
  place.node_count = assignment.node_count();
  place.local_world_size = node.workers;
  place.world_size = assignment.world_size();
  place.nodes = NodesOf(assignment);
  place.master_address = assignment.master_address();
  place.master_port = assignment.master_port();
  place.interface = interface;
  place.gpus = node.gpus;
  place.one_gpu_each = spec.gpu_binding() == GPU_BINDING_ONE;
  place.job_temp = job_temp;
  place.host_file = HostFileIn(job_temp);
  place.shared_dir = spec.shared_dir();
  for (const Variable& input : spec.inputs()) {
    place.inputs[input.name()] = input.value();
  }
  for (const Variable& output : spec.outputs()) {
    place.outputs[output.name()] = output.value();
  }
  place.backend = BackendOf(spec, node);
  place.init_method = spec.agreement().init_method();

  std::vector<env::Placement> places;
  for (uint32_t local_rank = 0; local_rank < node.workers; ++local_rank) {
    place.local_rank = local_rank;
    place.rank = assignment.first_rank() + local_rank;
    places.push_back(place);
  }
  return places;
}

std::vector<env::JobNode> NodesOf(const Assignment& assignment) {
  std::vector<env::JobNode> nodes;
  for (const Peer& peer : assignment.peers()) {
    nodes.push_back({peer.address(), peer.workers()});
  }
  return nodes;
}

env::Variables UserVariables(const JobSpec& spec) {
  env::Variables variables;
  for (const Variable& variable : spec.worker_env()) {
    variables[variable.name()] = variable.value();
  }
  return variables;
}

std::vector<std::string> ExpandCommand(const JobSpec& spec,
                                       const env::Variables& environment) {
  std::vector<std::string> argv;
  for (const std::string& argument : spec.agreement().command()) {
    argv.push_back(env::ExpandVariables(argument, environment));
  }
  return argv;
}

absl::StatusOr<WorkerPlan> PlanWorker(const JobSpec& spec,
                                      const env::Placement& place,
                                      const env::Variables& inherited) {
  absl::StatusOr<env::Variables> environment = env::WorkerEnvironment(
      spec.agreement().framework(), place,
      {.inherited = inherited, .user = UserVariables(spec)});
  if (!environment.ok()) return environment.status();
  WorkerPlan plan;
  plan.rank = place.rank;
  plan.argv = ExpandCommand(spec, *environment);
  plan.environment = *std::move(environment);
  return plan;
}

absl::StatusOr<std::vector<WorkerPlan>> PlanWorkers(
    const JobSpec& spec, const Node& node, const Assignment& assignment,
    const std::string& interface, const env::Variables& inherited,
    const std::string& job_temp) {
  std::vector<WorkerPlan> plans;
  for (const env::Placement& place :
       PlaceWorkers(spec, node, assignment, interface, job_temp)) {
    absl::StatusOr<WorkerPlan> plan = PlanWorker(spec, place, inherited);
    if (!plan.ok()) return plan.status();
    plans.push_back(*std::move(plan));
  }
  return plans;
}

}  // namespace muster::launcher
