#include "launcher/fabric/gloo/pace.h"

#include <algorithm>

namespace muster::fabric {
namespace {

constexpr uint64_t kGrowth = 8;
// What looks too slow is tried again, for a busy machine is not a slow network.
constexpr int kTries = 5;
constexpr double kMostOnTries = 4;  // times what one may take

// Within a batch the members do not wait for each other but by the reduction.
constexpr size_t kFirstBatch = 2;

uint64_t WholeFloats(double bytes) {
  return static_cast<uint64_t>(bytes) / sizeof(float) * sizeof(float);
}

// The best of a few tries; of one, where that is no more than `enough`.
double BestTime(uint64_t bytes, double enough, double most,
                const TimeOne& time_one, const Agree& agree) {
  double best = agree(time_one(bytes));
  double spent = best;
  for (int i = 1; i < kTries && best > enough && spent < most; ++i) {
    const double took = agree(time_one(bytes));
    best = std::min(best, took);
    spent += took;
  }
  return best;
}

}  // namespace

uint64_t FittingBytes(uint64_t wanted, double seconds, const TimeOne& time_one,
                      const Agree& agree) {
  uint64_t bytes = std::min(wanted, kFirstBytes);
  while (true) {
    const uint64_t next = std::min(wanted, bytes * kGrowth);
    const double grown = static_cast<double>(next) / static_cast<double>(bytes);
    // Half of it, for a step may cost more than it seems.
    const double enough = bytes == wanted ? seconds : seconds / grown / 2;
    const double took =
        BestTime(bytes, enough, kMostOnTries * seconds, time_one, agree);
    if (took <= enough) {
      if (next == wanted) return wanted;
      bytes = next;
      continue;
    }
    // What it takes to begin makes small ones look worse than they are, so that
    // the estimate is rather too small.
    const double fits = static_cast<double>(bytes) * (seconds / took);
    if (fits >= static_cast<double>(wanted)) return wanted;
    return std::max(std::min(wanted, kLeastBytes), WholeFloats(fits));
  }
}

std::vector<double> Sample(uint64_t bytes, double seconds,
                           const TimeOne& time_one, const Agree& agree) {
  std::vector<double> samples;
  double passed = 0;  // here
  size_t batch = kFirstBatch;
  while (true) {
    for (size_t i = 0; i < batch; ++i) {
      samples.push_back(time_one(bytes));
      passed += samples.back();
    }
    const double longest = agree(passed);
    const double left = seconds - longest;
    if (left <= 0 || samples.size() >= kMostSamples) return samples;
    const auto done = static_cast<double>(samples.size());
    // Not all that fits: times may change.
    batch = std::clamp<size_t>(static_cast<size_t>(left / longest * done), 1,
                               2 * samples.size());
    batch = std::min(batch, kMostSamples - samples.size());
  }
}

Summary Summarize(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const size_t middle = samples.size() / 2;
  const double upper = samples[middle];
  const double median =
      samples.size() % 2 == 1 ? upper : (samples[middle - 1] + upper) / 2;
  return {.best = samples.front(), .median = median};
}

FabricMeasurement Measured(uint64_t bytes, const std::vector<double>& samples) {
  const Summary summary = Summarize(samples);
  FabricMeasurement measured;
  measured.set_bytes(bytes);
  measured.set_best(summary.best);
  measured.set_median(summary.median);
  measured.set_samples(static_cast<uint32_t>(samples.size()));
  return measured;
}

}  // namespace muster::fabric
