// The data of a test reduction: each element of each member and iteration has
// its own value, and the sum of all members is exact in float32.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_PATTERN_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_PATTERN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace muster::fabric {

// The values repeat after so many elements: a prime, so that data which a
// power of two has shifted is found.
inline constexpr size_t kPatternPeriod = 1048573;

// The most members whose sums are exact.
inline constexpr uint32_t kMostMembers = 2048;

// What member `rank` gives in element `element`: a small positive integer. Two
// iterations that differ by 1 to 15 have no element in common, and neither have
// two ranks.
float PatternValue(uint32_t rank, size_t element, uint32_t iteration);
// The sum of `members` such values.
float PatternSum(uint32_t members, size_t element, uint32_t iteration);

// The first `count` of them, kPatternPeriod at most.
std::vector<float> PatternValues(uint32_t rank, size_t count,
                                 uint32_t iteration);
std::vector<float> PatternSums(uint32_t members, size_t count,
                               uint32_t iteration);

// Job: compares data with a pattern, part by part.
// Life cycle: Add each part, in any order; then ask. Threads: one at a time.
class PatternCheck {
 public:
  // `expected` is one period or all there is; it must outlive this.
  explicit PatternCheck(const std::vector<float>* expected)
      : expected_(*expected) {}

  // `data` are elements `first`, ... ; `first` is a multiple of the period.
  void Add(size_t first, const float* data, size_t count);

  uint64_t wrong() const { return wrong_; }
  // "3 of 65536 elements are wrong, the first is element 17: 5 instead of 7".
  std::string Describe(size_t elements) const;

 private:
  const std::vector<float>& expected_;
  uint64_t wrong_ = 0;
  size_t first_ = 0;  // the first wrong one
  float got_ = 0;
  float wanted_ = 0;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_PATTERN_H_
