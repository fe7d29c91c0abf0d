#include "launcher/fabric/nccl/sampling.h"

#include <algorithm>

namespace muster::fabric {
namespace {

constexpr double kWarmUps = 3;
constexpr double kInBatch = 5;
constexpr double kMostBatches = 100;

}  // namespace

uint32_t PlanWarmUp(double seconds, double measure) {
  return seconds * kWarmUps <= measure ? static_cast<uint32_t>(kWarmUps) : 0;
}

Sampling PlanSampling(double seconds, double measure, double rest) {
  const double time = std::min(measure, rest / 2);
  const double most = kMostBatches * kInBatch;
  // Also for 0, and for what is no number.
  const double fit = seconds * most > time ? time / seconds : most;
  Sampling sampling;
  sampling.in_batch = static_cast<uint32_t>(std::clamp(fit, 1.0, kInBatch));
  sampling.batches =
      static_cast<uint32_t>(std::clamp(fit / kInBatch, 1.0, kMostBatches));
  return sampling;
}

}  // namespace muster::fabric
