#include "launcher/fabric/nccl/pattern.h"

#include <cmath>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::fabric {
namespace {

using ::testing::HasSubstr;

constexpr size_t kElements = 10'000;

TEST(Pattern, TheSumIsWhatAllMembersAddUpTo) {
  for (const uint32_t members : {1u, 2u, 3u, 64u, 2048u}) {
    for (size_t element = 0; element < kElements; element += 97) {
      double sum = 0;
      float rounded = 0;
      for (uint32_t rank = 0; rank < members; ++rank) {
        sum += PatternValue(rank, element, 5);
        rounded += PatternValue(rank, element, 5);
      }
      ASSERT_EQ(PatternSum(members, element, 5), sum);
      ASSERT_EQ(rounded, sum) << "is not exact in float32";
    }
  }
}

TEST(Pattern, StaleDataDiffersInEveryElement) {
  for (uint32_t distance = 1; distance < 16; ++distance) {
    for (size_t element = 0; element < kElements; ++element) {
      ASSERT_NE(PatternSum(4, element, 7),
                PatternSum(4, element, 7 + distance));
    }
  }
}

TEST(Pattern, AMembersShareIsNeverZeroNorAnothers) {
  for (size_t element = 0; element < kElements; ++element) {
    ASSERT_GT(PatternValue(0, element, 3), 0);
    for (uint32_t rank = 1; rank < 16; ++rank) {
      ASSERT_NE(PatternValue(rank, element, 3),
                PatternValue(rank - 1, element, 3));
    }
  }
}

TEST(Pattern, ShiftedDataIsMostlyWrong) {
  const std::vector<float> sums = PatternSums(2, 1 << 20, 0);
  for (size_t shift = 1; shift < (1 << 19); shift *= 2) {
    size_t equal = 0;
    for (size_t i = 0; i + shift < sums.size(); ++i) {
      equal += sums[i] == sums[i + shift];
    }
    EXPECT_LT(equal, sums.size() / 8) << "shifted by " << shift;
  }
}

TEST(Pattern, IsNoLongerThanItsPeriod) {
  EXPECT_EQ(PatternValues(1, 7, 0).size(), 7u);
  EXPECT_EQ(PatternValues(1, 10 * kPatternPeriod, 0).size(), kPatternPeriod);
  EXPECT_EQ(PatternValue(1, 5, 0), PatternValue(1, 5 + kPatternPeriod, 0));
}

TEST(PatternCheck, RightDataOfSeveralPeriodsIsRight) {
  const std::vector<float> sums = PatternSums(2, kPatternPeriod, 0);
  PatternCheck check(&sums);
  check.Add(0, sums.data(), sums.size());
  check.Add(kPatternPeriod, sums.data(), 100);
  EXPECT_EQ(check.wrong(), 0u);
}

TEST(PatternCheck, EachWrongElementCountsAndTheFirstIsNamed) {
  const std::vector<float> sums = PatternSums(2, 1000, 0);
  std::vector<float> data = sums;
  data[17] += 1;
  data[900] = std::nanf("");
  PatternCheck check(&sums);
  check.Add(1000, data.data(), data.size());
  check.Add(0, data.data(), data.size());
  EXPECT_EQ(check.wrong(), 4u);
  EXPECT_THAT(
      check.Describe(2000),
      HasSubstr("4 of 2000 elements are wrong, the first is element 17"));
}

}  // namespace
}  // namespace muster::fabric
