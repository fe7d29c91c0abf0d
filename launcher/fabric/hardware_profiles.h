// What GPUs and their links are known to reach: all figures in one place.
#ifndef MUSTER_LAUNCHER_FABRIC_HARDWARE_PROFILES_H_
#define MUSTER_LAUNCHER_FABRIC_HARDWARE_PROFILES_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace muster::fabric {

// Local all-reduce over all of a machine's GPUs, busbw in GB/s.
struct LocalProfile {
  absl::string_view gpu;  // a word of the GPU's name
  uint32_t gpus = 0;
  uint32_t nvlinks = 0;  // at least so many of each GPU; 0 for other links
  double healthy = 0;    // measured
  double warn = 0;
  double fail = 0;
  bool nvls = false;  // by in-switch reduction: without it other limits apply
};

// Null for a machine of which nothing is known.
const LocalProfile* FindLocalProfile(absl::string_view gpu_name, uint32_t gpus,
                                     uint32_t nvlinks);

// Payload of one NVLink in one direction, in GB/s, as NCCL reckons with it. 0
// below compute capability 6.0. `compute_capability`: 90 for 9.0.
double NvlinkRate(uint32_t compute_capability);

// Payload of a PCIe link in one direction, in GB/s; 0 when unknown.
double PcieRate(uint32_t generation, uint32_t lanes);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_HARDWARE_PROFILES_H_
