// The environment in which NCCL and CUDA are loaded by a probe.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_SETTINGS_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_SETTINGS_H_

#include <map>
#include <string>

namespace muster::fabric {

using Environment = std::map<std::string, std::string>;

struct NcclSettings {
  // Path of NCCL's own log; "": it goes to standard error.
  std::string log;
  // What NCCL takes for this host's identity; "": the host's own. Processes
  // with different ones share no memory, so that NCCL takes the network between
  // them, also when they share a host or even a GPU.
  std::string host_id;
};

// The job's environment with what the test needs. The job's own settings stay
// (interfaces, plugins, HCAs), but for these:
//   - NCCL logs at INFO, since its log is evidence;
//   - it opens no port for RAS, which the job's own NCCL may want;
//   - it does not wait longer than the test's deadlines, unless the job says
//     how long: it would try to connect for a minute;
//   - calls do not block, and the unique id is the test's own;
//   - GPUs are counted by PCI address, as NVML does, and modules are loaded
//     when they are used, which saves seconds.
Environment MakeNcclEnvironment(Environment job, const NcclSettings& settings);

// What NCCL_ALGO is to be for a group: NCCL reads it for each communicator.
// Nothing: not set.
const std::string* AlgorithmFor(bool ring, const Environment& job);

// Makes the process' environment from `present` to `wanted`. While no other
// thread reads or changes it.
void ApplyEnvironment(const Environment& present, const Environment& wanted);

// The same for one variable; null removes it.
void ApplyVariable(const std::string& name, const std::string* value);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_SETTINGS_H_
