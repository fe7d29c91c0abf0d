// How large a reduction fits into the time, and how often it is measured. All
// members decide alike without a word, because they decide by times that are
// the same for all: the longest of any member.
#ifndef MUSTER_LAUNCHER_FABRIC_GLOO_PACE_H_
#define MUSTER_LAUNCHER_FABRIC_GLOO_PACE_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "proto/fabric.pb.h"

namespace muster::fabric {

// The seconds of one reduction of so many bytes, on this member. It begins when
// all members are ready.
using TimeOne = std::function<double(uint64_t bytes)>;
// The largest of the values that the members give at this point; the same for
// each of them. Also a barrier.
using Agree = std::function<double(double)>;

// `wanted`, or less where one reduction of that would take longer than
// `seconds`: found out by reductions that grow from kFirstBytes on. At least
// kLeastBytes (or `wanted`, where that is less), a multiple of 4.
inline constexpr uint64_t kFirstBytes = 64 * 1024;
inline constexpr uint64_t kLeastBytes = 4 * 1024;
uint64_t FittingBytes(uint64_t wanted, double seconds, const TimeOne& time_one,
                      const Agree& agree);

// This member's seconds of one reduction after another, until so much time has
// passed in them, and at least two. No more than kMostSamples.
inline constexpr size_t kMostSamples = 1000;
std::vector<double> Sample(uint64_t bytes, double seconds,
                           const TimeOne& time_one, const Agree& agree);

// The smallest and the middle one; of an even number the mean of the two in the
// middle. `samples` are not empty.
struct Summary {
  double best = 0;
  double median = 0;
};
Summary Summarize(std::vector<double> samples);

// The same as a result.
FabricMeasurement Measured(uint64_t bytes, const std::vector<double>& samples);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_GLOO_PACE_H_
