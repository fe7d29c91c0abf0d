#include "rendezvous/task_layout.h"

#include "absl/strings/str_cat.h"

namespace muster::rendezvous {
namespace {

// How many workers each node runs.
std::vector<uint32_t> WorkersOfNodes(const TaskSettings& settings,
                                     const std::vector<uint32_t>& by_nproc) {
  if (settings.workers() == 0) return by_nproc;
  const auto nodes = static_cast<uint32_t>(by_nproc.size());
  std::vector<uint32_t> workers(nodes, settings.workers() / nodes);
  for (uint32_t i = 0; i < settings.workers() % nodes; ++i) ++workers[i];
  return workers;
}

std::string Count(uint32_t count, const char* noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

absl::Status NoTaskFor(size_t node, const TaskSettings& settings,
                       size_t nodes) {
  return absl::InvalidArgumentError(absl::StrCat(
      "node ", node, " of ", nodes, " would have no task: there are ",
      Count(settings.workers(), "worker"), " and ",
      Count(settings.parameter_servers(), "parameter server"),
      ", which share the first nodes; give --worker-count ", nodes,
      " or more, or fewer --nnodes"));
}

}  // namespace

std::string TaskTypeName(TaskRole role) {
  switch (role) {
    case TASK_ROLE_PS:
      return "ps";
    case TASK_ROLE_CHIEF:
      return "chief";
    case TASK_ROLE_WORKER:
      return "worker";
    case TASK_ROLE_EVALUATOR:
      return "evaluator";
    default:
      return "unknown";
  }
}

std::string TaskName(TaskRole role, uint32_t index) {
  return absl::StrCat(TaskTypeName(role), " ", index);
}

absl::StatusOr<TaskLayout> LayOutTasks(
    const TaskSettings& settings,
    const std::vector<uint32_t>& workers_of_nodes) {
  const size_t nodes = workers_of_nodes.size();
  const std::vector<uint32_t> workers =
      WorkersOfNodes(settings, workers_of_nodes);
  TaskLayout layout(nodes);
  uint32_t rank = 0;
  uint32_t next_worker = 0;
  for (size_t node = 0; node < nodes; ++node) {
    const auto add = [&](TaskRole role, uint32_t index) {
      Task task;
      task.set_role(role);
      task.set_index(index);
      task.set_rank(rank++);
      task.set_node(node);
      layout[node].push_back(std::move(task));
    };
    for (uint64_t i = node; i < settings.parameter_servers(); i += nodes) {
      add(TASK_ROLE_PS, i);
    }
    for (uint32_t i = 0; i < workers[node]; ++i, ++next_worker) {
      if (!settings.chief()) {
        add(TASK_ROLE_WORKER, next_worker);
      } else if (next_worker == 0) {
        add(TASK_ROLE_CHIEF, 0);
      } else {
        add(TASK_ROLE_WORKER, next_worker - 1);
      }
    }
    if (settings.evaluator() && node + 1 == nodes) add(TASK_ROLE_EVALUATOR, 0);
    if (layout[node].empty()) return NoTaskFor(node, settings, nodes);
  }
  return layout;
}

bool OnlyServes(TaskRole role, const std::set<TaskRole>& roles) {
  if (role == TASK_ROLE_PS) return true;
  return role == TASK_ROLE_WORKER && roles.count(TASK_ROLE_CHIEF) > 0 &&
         roles.count(TASK_ROLE_PS) > 0;
}

}  // namespace muster::rendezvous
