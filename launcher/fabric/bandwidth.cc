#include "launcher/fabric/bandwidth.h"

#include <algorithm>

namespace muster::fabric {

double AlgorithmBandwidth(uint64_t bytes, double seconds) {
  return seconds > 0 ? static_cast<double>(bytes) / seconds / 1e9 : 0;
}

double BusFactor(uint32_t ranks) {
  return ranks < 2 ? 1 : 2.0 * (ranks - 1) / ranks;
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle =
      values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

Samples SamplesOf(const std::vector<double>& values) {
  if (values.empty()) return {};
  return {*std::max_element(values.begin(), values.end()), Median(values)};
}

}  // namespace muster::fabric
