// Speeds as nccl-tests define them. All are GB/s of 1e9 bytes.
#ifndef MUSTER_LAUNCHER_FABRIC_BANDWIDTH_H_
#define MUSTER_LAUNCHER_FABRIC_BANDWIDTH_H_

#include <cstdint>
#include <vector>

namespace muster::fabric {

// algbw: the buffer's size by the time of one operation; 0 for no time.
double AlgorithmBandwidth(uint64_t bytes, double seconds);

// busbw is algbw times this: what every rank's link carries in an all-reduce,
// 2 (n - 1) / n, so that it can be held against the hardware's speed whatever n
// is. 1 for a single rank, where nothing crosses a link.
double BusFactor(uint32_t ranks);

// 0 for none.
double Median(std::vector<double> values);

// What is judged of several short samples: the best. A bad link can't produce a
// good maximum, but noise can produce a bad median.
struct Samples {
  double best = 0;
  double median = 0;
};
Samples SamplesOf(const std::vector<double>& values);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_BANDWIDTH_H_
