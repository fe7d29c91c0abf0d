#include "launcher/fabric/bandwidth.h"

#include "gtest/gtest.h"

namespace muster::fabric {
namespace {

TEST(Bandwidth, IsWhatNcclTestsCallIt) {
  EXPECT_DOUBLE_EQ(AlgorithmBandwidth(1'000'000'000, 0.5), 2);
  EXPECT_EQ(AlgorithmBandwidth(1, 0), 0);
  EXPECT_DOUBLE_EQ(BusFactor(1), 1);
  EXPECT_DOUBLE_EQ(BusFactor(2), 1);
  EXPECT_DOUBLE_EQ(BusFactor(4), 1.5);
  EXPECT_DOUBLE_EQ(BusFactor(8), 1.75);
}

TEST(Bandwidth, TheMedianOfAnEvenNumberLiesBetweenTheTwoInTheMiddle) {
  EXPECT_EQ(Median({}), 0);
  EXPECT_EQ(Median({3}), 3);
  EXPECT_EQ(Median({5, 1, 3}), 3);
  EXPECT_EQ(Median({9, 1, 3, 5}), 4);
}

TEST(Bandwidth, OfSamplesTheBestCounts) {
  const Samples samples = SamplesOf({1, 9, 2});
  EXPECT_EQ(samples.best, 9);
  EXPECT_EQ(samples.median, 2);
  EXPECT_EQ(SamplesOf({}).best, 0);
}

}  // namespace
}  // namespace muster::fabric
