#include "launcher/fabric/pairing.h"

#include <algorithm>

namespace muster::fabric {

Pair PairOf(uint32_t one, uint32_t other) {
  return {std::min(one, other), std::max(one, other)};
}

std::vector<Pair> Neighbours(uint32_t n) {
  std::vector<Pair> pairs;
  for (uint32_t i = 0; i + 1 < n; i += 2) pairs.push_back({i, i + 1});
  return pairs;
}

std::vector<Pair> Strides(uint32_t n) {
  std::vector<Pair> pairs;
  const uint32_t half = n / 2;
  const uint32_t first = n % 2;
  for (uint32_t i = 0; i < half; ++i) {
    pairs.push_back({first + i, first + i + half});
  }
  return pairs;
}

uint32_t CircleRounds(uint32_t n) {
  if (n < 2) return 0;
  return n % 2 == 0 ? n - 1 : n;
}

std::vector<Pair> Circle(uint32_t n, uint32_t round) {
  // All but one sit in a circle that turns by one seat a round; who faces whom
  // is a pair. The one in the middle is the last unit of an even number, and
  // nobody with an odd one.
  std::vector<Pair> pairs;
  const uint32_t seats = CircleRounds(n);
  if (seats == 0) return pairs;
  if (n % 2 == 0) pairs.push_back(PairOf(round, n - 1));
  for (uint32_t i = 1; 2 * i < seats; ++i) {
    pairs.push_back(PairOf((round + i) % seats, (round + seats - i) % seats));
  }
  return pairs;
}

}  // namespace muster::fabric
