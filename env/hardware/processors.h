// How many processors this process may really use.
#ifndef MUSTER_ENV_HARDWARE_PROCESSORS_H_
#define MUSTER_ENV_HARDWARE_PROCESSORS_H_

#include <optional>
#include <string>

namespace muster::env {

// Where the control groups are. Tests point it at a tree of their own.
struct ProcessorPaths {
  std::string self_cgroup = "/proc/self/cgroup";
  std::string cgroup_root = "/sys/fs/cgroup";
};

// The smallest CPU quota of this process's control group and of the groups
// above it, in processors, rounded up; versions 1 and 2. nullopt where no
// quota is set or none can be read.
std::optional<int> CgroupProcessorLimit(const ProcessorPaths& paths = {});

// The processors in the calling thread's affinity mask, but no more than the
// quota allows; at least 1.
int UsableProcessors(const ProcessorPaths& paths = {});

}  // namespace muster::env

#endif  // MUSTER_ENV_HARDWARE_PROCESSORS_H_
