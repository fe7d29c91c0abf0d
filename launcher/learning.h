// What the flags leave open, learnt from the environment.
#ifndef MUSTER_LAUNCHER_LEARNING_H_
#define MUSTER_LAUNCHER_LEARNING_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "env/schedulers/discovery.h"
#include "launcher/command_line.h"
#include "launcher/job_checks.h"
#include "proto/job.pb.h"

namespace muster::launcher {

// All texts are printable.
struct Learnt {
  std::optional<env::Discovery> discovery;  // of the scheduler
  std::vector<std::string> lines;           // for the log
  std::vector<std::string> mistakes;
  std::vector<std::string> warnings;
  // As in CommandLine, for the flags that were filled in here.
  std::map<std::string, std::string> sources;
};

// Fills in `spec`: from --host-file, then from the scheduler. `given` are the
// flags and variables that were given, by the flag's name: they win, also over
// what contradicts them, which the lines tell. What cannot be learnt is a
// mistake only where it is needed: not when the nodes and where they meet are
// given. Notes in `facts` what is not to be checked any more.
Learnt LearnFromEnvironment(const Surroundings& surroundings,
                            const std::map<std::string, std::string>& given,
                            JobFacts* facts, JobSpec* spec);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_LEARNING_H_
