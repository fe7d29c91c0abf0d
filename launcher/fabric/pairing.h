// Who is tested with whom: disjoint pairs of n units, numbered from 0.
#ifndef MUSTER_LAUNCHER_FABRIC_PAIRING_H_
#define MUSTER_LAUNCHER_FABRIC_PAIRING_H_

#include <cstdint>
#include <vector>

namespace muster::fabric {

struct Pair {
  uint32_t a = 0;
  uint32_t b = 0;  // a < b
  auto operator<=>(const Pair&) const = default;
};

// In order, whatever the order of the arguments, which are not equal.
Pair PairOf(uint32_t one, uint32_t other);

// (0, 1), (2, 3), ...: mostly units behind the same switch. With an odd number
// the last unit is left over.
std::vector<Pair> Neighbours(uint32_t n);

// (0, n/2), (1, n/2 + 1), ...: mostly units behind different switches. With an
// odd number unit 0 is left over, so that neighbours and strides together leave
// out nobody: (1, 1 + n/2), ...
std::vector<Pair> Strides(uint32_t n);

// The circle method: over its rounds every pair comes exactly once. With an odd
// number each round leaves over another unit.
uint32_t CircleRounds(uint32_t n);  // n - 1, or n for odd n; 0 below 2
std::vector<Pair> Circle(uint32_t n, uint32_t round);  // round < CircleRounds

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_PAIRING_H_
