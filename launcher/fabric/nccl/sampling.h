// How often a reduction is timed.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_SAMPLING_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_SAMPLING_H_

#include <cstdint>

namespace muster::fabric {

struct Sampling {
  uint32_t batches = 1;
  uint32_t in_batch = 1;  // timed together
};

// Reductions before those that are timed, when the first took `seconds` and
// the samples should take `measure`: three, or none where they are slow.
uint32_t PlanWarmUp(double seconds, double measure);

// So many samples as fit into `measure` seconds, and half of the `rest` until
// the deadline; at least one. All members of a group must plan with the same
// figures.
Sampling PlanSampling(double seconds, double measure, double rest);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_SAMPLING_H_
