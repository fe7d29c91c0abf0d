// What must hold between the flags of one job.
#ifndef MUSTER_LAUNCHER_JOB_CHECKS_H_
#define MUSTER_LAUNCHER_JOB_CHECKS_H_

#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "launcher/flags.h"
#include "proto/job.pb.h"

namespace muster::launcher {

struct JobFacts {
  Command command = Command::kRun;
  bool has_token = false;  // MUSTER_TOKEN is set
  // Names of flags that were given but could not be read. What they would
  // decide is not checked: one mistake is reported once.
  std::set<absl::string_view> unread;
  // Why the environment does not say where the nodes meet; "" for nothing.
  std::string rendezvous_advice;
};

// One line for each thing that does not go together.
std::vector<std::string> CheckJob(const JobSpec& spec, const JobFacts& facts);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_JOB_CHECKS_H_
