#include "launcher/job_plan.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "env/hardware/interfaces.h"
#include "launcher/worker_plan.h"

namespace muster::launcher {
namespace {

constexpr char kRunId[] = "<run-id>";
constexpr char kInterface[] = "<interface>";
constexpr char kJobTemp[] = "<job-temp>";
constexpr char kPort[] = "<port>";

// The address of a node: known for the only one, and for this one if the user
// says both which it is and where it is reached.
std::string AddressOf(const JobSpec& spec, uint32_t node_rank) {
  const bool alone = spec.agreement().max_nodes() == 1;
  const bool is_this =
      alone || (spec.has_node_rank() && spec.node_rank() == node_rank);
  if (is_this && !spec.advertise().empty()) return spec.advertise();
  return alone ? "127.0.0.1" : absl::StrCat("<node", node_rank, ">");
}

// A node like `model` with this many workers.
Node NodeWith(const Node& model, uint32_t workers) {
  Node node;
  node.gpus = model.gpus;
  node.pretend_gpus = model.pretend_gpus;
  node.gpu_source = model.gpu_source;
  node.workers = workers;
  return node;
}

}  // namespace

JobPlan::JobPlan(JobSpec spec, env::Variables inherited, Node model,
                 const rendezvous::TaskLayout& tasks)
    : spec_(std::move(spec)),
      inherited_(std::move(inherited)),
      model_(std::move(model)) {
  const uint32_t nodes = spec_.agreement().max_nodes();
  assignment_.set_run_id(spec_.run_id().empty() ? kRunId : spec_.run_id());
  assignment_.set_node_count(nodes);
  assignment_.set_master_address(AddressOf(spec_, 0));
  uint32_t world_size = 0;
  for (uint32_t node_rank = 0; node_rank < nodes; ++node_rank) {
    Peer* peer = assignment_.add_peers();
    peer->set_address(AddressOf(spec_, node_rank));
    peer->set_workers(tasks.empty() ? model_.workers : tasks[node_rank].size());
    world_size += peer->workers();
  }
  assignment_.set_world_size(world_size);
  for (const std::vector<Task>& of_node : tasks) {
    uint32_t port = spec_.agreement().tasks().base_port();
    for (const Task& task : of_node) {
      Task* known = cluster_.add_tasks();
      *known = task;
      known->set_address(AddressOf(spec_, task.node()));
      if (port != 0) known->set_port(port++);
    }
  }
}

absl::StatusOr<JobPlan> JobPlan::Make(JobSpec spec, env::Variables inherited) {
  absl::StatusOr<Node> model = LookAtHardware(spec, inherited);
  if (!model.ok()) return model.status();
  // As real ones: the question is what nodes with such GPUs would be given.
  model->pretend_gpus = false;
  const uint64_t ranks =
      uint64_t{spec.agreement().max_nodes()} * model->workers;
  if (ranks > kMostRanks) {
    return absl::InvalidArgumentError(
        absl::StrCat("a job of ", ranks,
                     " ranks is too large to be shown; lower --nnodes "
                     "or --nproc-per-node so that there are at most ",
                     kMostRanks));
  }
  rendezvous::TaskLayout tasks;
  if (spec.agreement().framework() == FRAMEWORK_TENSORFLOW) {
    auto layout = rendezvous::LayOutTasks(
        spec.agreement().tasks(),
        std::vector<uint32_t>(spec.agreement().max_nodes(), model->workers));
    if (!layout.ok()) return layout.status();
    tasks = *std::move(layout);
  }
  return JobPlan(std::move(spec), std::move(inherited), *std::move(model),
                 tasks);
}

absl::StatusOr<std::vector<PlannedRank>> JobPlan::RanksOf(
    uint32_t node_rank) const {
  Assignment assignment = assignment_;
  assignment.set_node_rank(node_rank);
  uint32_t first_rank = 0;
  for (uint32_t other = 0; other < node_rank; ++other) {
    first_rank += assignment.peers(static_cast<int>(other)).workers();
  }
  assignment.set_first_rank(first_rank);
  const Peer& peer = assignment_.peers(static_cast<int>(node_rank));
  const std::string interface =
      env::InterfaceOf(peer.address()).value_or(nodes() > 1 ? kInterface : "");

  for (const Task& task : cluster_.tasks()) {
    if (task.node() == node_rank) *assignment.add_tasks() = task;
  }
  const absl::StatusOr<std::vector<env::Placement>> places =
      PlaceWorkers(spec_, NodeWith(model_, peer.workers()), assignment,
                   interface, kJobTemp, cluster_);
  if (!places.ok()) return places.status();

  std::vector<PlannedRank> ranks;
  for (const env::Placement& place : *places) {
    absl::StatusOr<env::ExplainedVariables> explained = env::ExplainEnvironment(
        spec_.agreement().framework(), place,
        {.inherited = inherited_, .user = UserVariables(spec_)});
    if (!explained.ok()) return explained.status();
    env::Variables values;
    for (const auto& [name, variable] : *explained) {
      values.emplace_hint(values.end(), name, variable.value);
    }
    PlannedRank rank;
    rank.rank = place.rank;
    rank.node_rank = node_rank;
    rank.local_rank = place.local_rank;
    rank.argv = ExpandCommand(spec_, values);
    rank.variables = *std::move(explained);
    ranks.push_back(std::move(rank));
  }
  return ranks;
}

std::vector<Placeholder> JobPlan::Placeholders() const {
  std::vector<Placeholder> all;
  for (uint32_t node_rank = 0; node_rank < nodes(); ++node_rank) {
    all.push_back({absl::StrCat("<node", node_rank, ">"),
                   absl::StrCat("the address of node ", node_rank)});
  }
  all.push_back(
      {kPort, "a free port, kept from others until its worker listens"});
  all.push_back(
      {kInterface, "the interface over which the node reaches the others"});
  all.push_back({kRunId, "the run's id, fresh for each run"});
  all.push_back(
      {kJobTemp, "a directory in TMPDIR or /tmp, removed at the end"});
  return all;
}

}  // namespace muster::launcher
