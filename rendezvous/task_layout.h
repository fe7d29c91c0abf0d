// Which task of a TensorFlow job runs where.
#ifndef MUSTER_RENDEZVOUS_TASK_LAYOUT_H_
#define MUSTER_RENDEZVOUS_TASK_LAYOUT_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/rendezvous.pb.h"

namespace muster::rendezvous {

// As TensorFlow calls it: "ps", "chief", "worker", "evaluator".
std::string TaskTypeName(TaskRole role);

// "worker 1".
std::string TaskName(TaskRole role, uint32_t index);

// By node rank: the node's tasks in the order of their local ranks, with role,
// index, rank and node filled in.
using TaskLayout = std::vector<std::vector<Task>>;

// Places the tasks of a job, on each node in the order ps, workers, evaluator,
// which is also the order of the ports that count up from --base-port:
// - parameter server i on node i, beside the workers; more of them than nodes
//   begin at node 0 again;
// - the workers in blocks, the first nodes one more where it does not come out
//   even, so that ranks and worker indexes grow in the same order and
//   neighbours in a ring of workers share a node;
// - the chief in the place of worker 0, the others moved up by one;
// - the evaluator on the last node, away from the parameter servers.
// `workers_of_nodes` is what --nproc-per-node made of each node, by node rank;
// it decides when the settings name no number of workers.
//
// Errors: InvalidArgument, naming the node, when one would have no task.
absl::StatusOr<TaskLayout> LayOutTasks(
    const TaskSettings& settings,
    const std::vector<uint32_t>& workers_of_nodes);

// Whether such a task waits for others and never ends by itself, in a job with
// these roles: a parameter server does, and beside a chief that has parameter
// servers the workers do, too (tf.distribute's ParameterServerStrategy). The
// job is over when all the others have ended.
bool OnlyServes(TaskRole role, const std::set<TaskRole>& roles);

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_TASK_LAYOUT_H_
