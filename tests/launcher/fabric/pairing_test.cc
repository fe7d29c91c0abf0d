#include "launcher/fabric/pairing.h"

#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/fabric/pretend_fabric.h"

namespace muster::fabric {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// The units in them; fails when the pairs are not disjoint or not in order.
std::set<uint32_t> UnitsOf(const std::vector<Pair>& pairs, uint32_t n) {
  std::set<uint32_t> units;
  for (const Pair& pair : pairs) {
    EXPECT_LT(pair.a, pair.b);
    EXPECT_LT(pair.b, n);
    EXPECT_TRUE(units.insert(pair.a).second) << pair.a << " twice";
    EXPECT_TRUE(units.insert(pair.b).second) << pair.b << " twice";
  }
  return units;
}

TEST(Pairing, NeighboursAndStridesAreWhatTheySay) {
  EXPECT_THAT(Neighbours(6), ElementsAre(Pair{0, 1}, Pair{2, 3}, Pair{4, 5}));
  EXPECT_THAT(Strides(6), ElementsAre(Pair{0, 3}, Pair{1, 4}, Pair{2, 5}));
  EXPECT_THAT(Neighbours(5), ElementsAre(Pair{0, 1}, Pair{2, 3}));
  EXPECT_THAT(Strides(5), ElementsAre(Pair{1, 3}, Pair{2, 4}));
}

TEST(Pairing, FewUnits) {
  for (const uint32_t n : {0u, 1u}) {
    EXPECT_THAT(Neighbours(n), IsEmpty());
    EXPECT_THAT(Strides(n), IsEmpty());
    EXPECT_EQ(CircleRounds(n), 0);
  }
  EXPECT_THAT(Neighbours(2), ElementsAre(Pair{0, 1}));
  EXPECT_THAT(Strides(2), ElementsAre(Pair{0, 1}));
  EXPECT_EQ(CircleRounds(2), 1);
  EXPECT_THAT(Circle(2, 0), ElementsAre(Pair{0, 1}));
}

TEST(Pairing, NeighboursAndStridesAreDisjointAndTogetherLeaveOutNobody) {
  for (uint32_t n = 2; n <= 65; ++n) {
    std::set<uint32_t> units = UnitsOf(Neighbours(n), n);
    EXPECT_EQ(units.size(), n - n % 2);
    const std::set<uint32_t> across = UnitsOf(Strides(n), n);
    EXPECT_EQ(across.size(), n - n % 2);
    units.insert(across.begin(), across.end());
    EXPECT_EQ(units.size(), n);
  }
}

TEST(Pairing, TheCircleHasEveryPairExactlyOnce) {
  for (uint32_t n = 2; n <= 65; ++n) {
    std::set<Pair> seen;
    EXPECT_EQ(CircleRounds(n), n % 2 == 0 ? n - 1 : n);
    for (uint32_t round = 0; round < CircleRounds(n); ++round) {
      const std::vector<Pair> pairs = Circle(n, round);
      EXPECT_EQ(UnitsOf(pairs, n).size(), n - n % 2) << n << ", " << round;
      for (const Pair& pair : pairs) {
        EXPECT_TRUE(seen.insert(pair).second) << n << ", round " << round;
      }
    }
    EXPECT_EQ(seen.size(), n * (n - 1) / 2);
  }
}

}  // namespace
}  // namespace muster::fabric
