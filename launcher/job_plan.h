// A whole job, planned without starting any of it.
#ifndef MUSTER_LAUNCHER_JOB_PLAN_H_
#define MUSTER_LAUNCHER_JOB_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "env/frameworks/environment.h"
#include "env/frameworks/variables.h"
#include "launcher/node.h"
#include "proto/job.pb.h"
#include "proto/rendezvous.pb.h"
#include "rendezvous/task_layout.h"

namespace muster::launcher {

// One rank, as far as it is known before the job runs.
struct PlannedRank {
  uint32_t rank = 0;
  uint32_t node_rank = 0;
  uint32_t local_rank = 0;
  env::ExplainedVariables variables;
  std::vector<std::string> argv;  // empty without a command
};

// What stands for a value that only the run itself brings.
struct Placeholder {
  std::string text;  // "<port>"
  std::string meaning;
};

// Job: what the agents of all nodes would give their workers, for `muster env`:
// by the same functions, from an assignment made up here, with every node
// taken to be like this one.
// Life cycle: Make(), then ask. Threads: none of its own; a plain value.
// Ownership: owns copies of all that it was made of.
class JobPlan {
 public:
  // More ranks than this are refused: each may carry a list of all nodes.
  static constexpr uint32_t kMostRanks = 4096;

  // `inherited` is the environment of this process. Looks at the hardware and
  // the interfaces of this node; opens and starts nothing.
  //
  // Errors: INVALID_ARGUMENT, naming the flag, as LookAtHardware(); those of
  // rendezvous::LayOutTasks(); when the job is too large to be shown.
  static absl::StatusOr<JobPlan> Make(JobSpec spec, env::Variables inherited);

  uint32_t nodes() const { return assignment_.node_count(); }
  uint32_t world_size() const { return assignment_.world_size(); }
  const JobSpec& spec() const { return spec_; }
  // The node that all are taken to be like.
  const Node& model() const { return model_; }

  // The ranks of one node.
  // Errors: those of env::ExplainEnvironment().
  absl::StatusOr<std::vector<PlannedRank>> RanksOf(uint32_t node_rank) const;

  // All that may occur in this plan.
  std::vector<Placeholder> Placeholders() const;

 private:
  JobPlan(JobSpec spec, env::Variables inherited, Node model,
          const rendezvous::TaskLayout& tasks);

  JobSpec spec_;
  env::Variables inherited_;
  Node model_;
  Assignment assignment_;  // but for what differs between nodes
  Cluster cluster_;        // of a TensorFlow job
};

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_JOB_PLAN_H_
