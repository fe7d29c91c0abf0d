// Which scheduler started this node, and what it says.
#ifndef MUSTER_ENV_SCHEDULERS_DISCOVER_H_
#define MUSTER_ENV_SCHEDULERS_DISCOVER_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "env/schedulers/discovery.h"
#include "env/schedulers/inputs.h"
#include "env/schedulers/reading.h"

namespace muster::env {

// The names of all schedulers, in the order in which they are asked.
std::vector<std::string> SchedulerNames();

// What the environment says. `scheduler` is "auto" or one of SchedulerNames().
// With "auto" all are asked. The first that knows the number of nodes decides,
// else the first that knows anything; all others must agree with it, as far
// as they speak of nodes, and fill in what it leaves open. Pure but for the
// files.
//
// Errors:
//   InvalidArgument     a value is wrong; two schedulers contradict each other
//                       (both are shown); the scheduler that was named is not
//                       here.
//   FailedPrecondition  nothing says how many nodes there are, and what is
//                       there needs a word of the user; the text says which.
//   AlreadyExists       this agent must not run: it is a worker of another
//                       launcher, or one of several agents on its node.
MaybeDiscovery Discover(const Inputs& inputs, absl::string_view scheduler);

}  // namespace muster::env

#endif  // MUSTER_ENV_SCHEDULERS_DISCOVER_H_
