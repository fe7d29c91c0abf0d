#include "launcher/worker_plan.h"

#include <utility>

#include "env/frameworks/environment.h"
#include "env/frameworks/expand.h"
#include "env/frameworks/gpu_shares.h"
#include "launcher/job_temp.h"
#include "rendezvous/task_layout.h"

namespace muster::launcher {
namespace {

bool IsTensorflow(const JobSpec& spec) {
  return spec.agreement().framework() == FRAMEWORK_TENSORFLOW;
}

// IPv6 in brackets.
std::string HostPort(const Task& task) {
  return env::AddressWithPort(task.address(), task.port());
}

env::TaskCluster HostsByRole(const Cluster& cluster) {
  env::TaskCluster hosts;
  for (const Task& task : cluster.tasks()) {
    std::vector<std::string>* role = nullptr;
    switch (task.role()) {
      case TASK_ROLE_CHIEF:
        role = &hosts.chief;
        break;
      case TASK_ROLE_EVALUATOR:
        role = &hosts.evaluator;
        break;
      case TASK_ROLE_PS:
        role = &hosts.ps;
        break;
      default:
        role = &hosts.worker;
    }
    // Ranks and indexes grow together only for workers.
    if (role->size() <= task.index()) role->resize(task.index() + 1);
    (*role)[task.index()] = HostPort(task);
  }
  return hosts;
}

}  // namespace

absl::StatusOr<std::vector<std::optional<std::string>>> ShareOfGpus(
    const JobSpec& spec, const Node& node, const Assignment& assignment) {
  std::vector<std::string> task_types;
  for (const Task& task : assignment.tasks()) {
    task_types.push_back(rendezvous::TaskTypeName(task.role()));
  }
  return env::ShareGpus(node.gpus, task_types, BindsGpus(spec));
}

absl::StatusOr<std::vector<env::Placement>> PlaceWorkers(
    const JobSpec& spec, const Node& node, const Assignment& assignment,
    const std::string& interface, const std::string& job_temp,
    const Cluster& cluster) {
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
  place.one_gpu_each = BindsGpus(spec) && !IsTensorflow(spec);
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

  std::vector<std::optional<std::string>> gpus;
  if (IsTensorflow(spec)) {
    auto shares = ShareOfGpus(spec, node, assignment);
    if (!shares.ok()) return shares.status();
    gpus = *std::move(shares);
    place.cluster = HostsByRole(cluster);
  }

  std::vector<env::Placement> places;
  for (uint32_t local_rank = 0; local_rank < node.workers; ++local_rank) {
    place.local_rank = local_rank;
    place.rank = assignment.first_rank() + local_rank;
    if (IsTensorflow(spec)) {
      const Task& task = assignment.tasks(static_cast<int>(local_rank));
      place.task_type = rendezvous::TaskTypeName(task.role());
      place.task_index = task.index();
      place.visible_gpus = gpus[local_rank];
    }
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
    const std::string& job_temp, const Cluster& cluster) {
  const absl::StatusOr<std::vector<env::Placement>> places =
      PlaceWorkers(spec, node, assignment, interface, job_temp, cluster);
  if (!places.ok()) return places.status();
  std::vector<WorkerPlan> plans;
  for (const env::Placement& place : *places) {
    absl::StatusOr<WorkerPlan> plan = PlanWorker(spec, place, inherited);
    if (!plan.ok()) return plan.status();
    plans.push_back(*std::move(plan));
  }
  return plans;
}

}  // namespace muster::launcher
