#include "launcher/fabric/gloo/pattern.h"

namespace muster::fabric {
namespace {

// 1 to 256. The multiplier spreads neighbours over the upper bits.
uint32_t Place(size_t element, uint32_t pass) {
  const uint32_t mixed =
      (static_cast<uint32_t>(element) + pass * 0x51ED270Bu) * 0x9E3779B1u;
  return (mixed >> 24) + 1;
}

// 1 to 8.
uint32_t Weight(uint32_t rank) { return rank % 8 + 1; }

uint64_t Word(size_t at, uint32_t pass) {
  uint64_t mixed = (at + 1) * 0x9E3779B97F4A7C15u;
  mixed ^= mixed >> 29;
  return pass % 2 == 0 ? mixed : ~mixed;
}

}  // namespace

void FillInput(float* data, size_t count, uint32_t rank, uint32_t pass) {
  const uint32_t weight = Weight(rank);
  for (size_t i = 0; i < count; ++i) {
    data[i] = static_cast<float>(Place(i, pass) * weight);
  }
}

Wrong CheckSum(const float* data, size_t count, uint32_t members,
               uint32_t pass) {
  uint32_t weights = 0;
  for (uint32_t rank = 0; rank < members; ++rank) weights += Weight(rank);
  Wrong wrong;
  for (size_t i = 0; i < count; ++i) {
    const auto sum = static_cast<float>(Place(i, pass) * weights);
    if (data[i] == sum) continue;
    if (wrong.count++ == 0) {
      wrong.first = i;
      wrong.is = data[i];
      wrong.should_be = sum;
    }
  }
  return wrong;
}

void FillWords(uint64_t* words, size_t count, uint32_t pass) {
  for (size_t i = 0; i < count; ++i) words[i] = Word(i, pass);
}

Wrong CheckWords(const uint64_t* words, size_t count, uint32_t pass) {
  Wrong wrong;
  for (size_t i = 0; i < count; ++i) {
    if (words[i] == Word(i, pass)) continue;
    if (wrong.count++ == 0) wrong.first = i;
  }
  return wrong;
}

}  // namespace muster::fabric
