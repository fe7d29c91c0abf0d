// `muster env`: what every rank of a job would be given, for people and as
// JSON.
#ifndef MUSTER_LAUNCHER_SHOW_ENV_H_
#define MUSTER_LAUNCHER_SHOW_ENV_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "launcher/command_line.h"
#include "launcher/job_plan.h"

namespace muster::launcher {

// Called with one piece of the output after the other.
using Writer = std::function<void(absl::string_view)>;

// In groups: what all ranks have alike, what the ranks of a node have alike,
// and what is a rank's own. What is inherited is left out, unless muster would
// have set it. Errors: those of JobPlan::RanksOf().
absl::Status ShowAsText(const JobPlan& plan, const Decisions& decisions,
                        const Writer& write);

// {"muster_version", "framework", "nodes", "world_size", "gpus_per_node",
//  "decided_by": {flag: source}, "placeholders": {text: meaning},
//  "ranks": [{"rank", "node", "local_rank", "command": [...],
//             "variables": {name: {"value", "source"}}}]}
// Bytes that are not UTF-8 are replaced. Errors: the same.
absl::Status ShowAsJson(const JobPlan& plan, const Decisions& decisions,
                        const Writer& write);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_SHOW_ENV_H_
