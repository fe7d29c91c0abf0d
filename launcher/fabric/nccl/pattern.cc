#include "launcher/fabric/nccl/pattern.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace muster::fabric {
namespace {

// Bits of an element's number, well mixed.
uint32_t Mix(size_t element) {
  auto bits = static_cast<uint32_t>(element % kPatternPeriod);
  bits *= 0x9E3779B1u;
  bits ^= bits >> 15;
  bits *= 0x85EBCA6Bu;
  return bits >> 8;
}

// The part that is equal in all members, and tells iterations apart.
uint32_t Common(uint32_t mixed, uint32_t iteration) {
  return (mixed + 3 * iteration) & 15;
}

// By how much the next member's value is larger, 1 to 7.
uint32_t Step(uint32_t mixed) { return 1 + ((mixed >> 4) % 7); }

// With 2048 members: 15 * 2048 + 7 * 2048 * 2049 / 2 < 2^24.
static_assert(uint64_t{15} * kMostMembers +
                  uint64_t{7} * kMostMembers * (kMostMembers + 1) / 2 <
              (1 << 24));

}  // namespace

float PatternValue(uint32_t rank, size_t element, uint32_t iteration) {
  const uint32_t mixed = Mix(element);
  return static_cast<float>(Common(mixed, iteration) +
                            (rank + 1) * Step(mixed));
}

float PatternSum(uint32_t members, size_t element, uint32_t iteration) {
  const uint32_t mixed = Mix(element);
  const uint32_t shares = members * (members + 1) / 2;  // 1 + 2 + ...
  return static_cast<float>(members * Common(mixed, iteration) +
                            shares * Step(mixed));
}

std::vector<float> PatternValues(uint32_t rank, size_t count,
                                 uint32_t iteration) {
  std::vector<float> values(std::min(count, kPatternPeriod));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = PatternValue(rank, i, iteration);
  }
  return values;
}

std::vector<float> PatternSums(uint32_t members, size_t count,
                               uint32_t iteration) {
  std::vector<float> values(std::min(count, kPatternPeriod));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = PatternSum(members, i, iteration);
  }
  return values;
}

void PatternCheck::Add(size_t first, const float* data, size_t count) {
  while (count > 0) {
    const size_t part = std::min(count, expected_.size());
    if (memcmp(data, expected_.data(), part * sizeof(float)) != 0) {
      for (size_t i = 0; i < part; ++i) {
        if (data[i] == expected_[i]) continue;
        if (wrong_++ == 0 || first + i < first_) {
          first_ = first + i;
          got_ = data[i];
          wanted_ = expected_[i];
        }
      }
    }
    first += part;
    data += part;
    count -= part;
  }
}

std::string PatternCheck::Describe(size_t elements) const {
  return absl::StrCat(wrong_, " of ", elements, " elements ",
                      wrong_ == 1 ? "is" : "are",
                      " wrong, the first is element ", first_, ": ", got_,
                      " instead of ", wanted_);
}

}  // namespace muster::fabric
