#include "launcher/fabric/gloo/pace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace muster::fabric {
namespace {

// A link that takes so long to begin and then so long for each byte, and what
// was asked of it.
struct Link {
  double latency = 50e-6;
  double bytes_per_second = 1e9;
  // What other members take, in multiples of this one.
  double slowest = 1;

  std::vector<uint64_t> asked;
  double spent = 0;
  size_t agreed = 0;

  double Time(uint64_t bytes) {
    asked.push_back(bytes);
    const double took = latency + static_cast<double>(bytes) / bytes_per_second;
    spent += took;
    return took;
  }
  TimeOne time_one() {
    return [this](uint64_t bytes) { return Time(bytes); };
  }
  Agree agree() {
    return [this](double value) {
      ++agreed;
      return value * slowest;
    };
  }
};

constexpr uint64_t kMiB = 1 << 20;

TEST(FittingBytes, IsAllThatIsWantedWhereThatFits) {
  Link link;
  EXPECT_EQ(FittingBytes(64 * kMiB, 0.2, link.time_one(), link.agree()),
            64 * kMiB);
  // And does not try it out.
  EXPECT_LT(link.asked.back(), 64 * kMiB);
  EXPECT_EQ(link.asked.size(), 4u);
}

TEST(FittingBytes, IsAboutWhatFits) {
  for (const double speed : {1e6, 1e7, 1e8, 1e9, 1e10, 1e11}) {
    Link link{.bytes_per_second = speed};
    const uint64_t bytes =
        FittingBytes(1024 * kMiB, 0.1, link.time_one(), link.agree());
    const double took = link.Time(bytes);
    EXPECT_LE(took, 0.1001) << speed;
    if (bytes < 1024 * kMiB) {
      EXPECT_GT(took, 0.08) << speed;
    }
    EXPECT_EQ(bytes % sizeof(float), 0u);
  }
}

TEST(FittingBytes, TriesNothingThatTakesLonger) {
  for (const double speed : {1e6, 3e6, 1e7, 1e8, 1e9}) {
    Link link{.bytes_per_second = speed};
    FittingBytes(1024 * kMiB, 0.1, link.time_one(), link.agree());
    for (const uint64_t bytes : link.asked) {
      if (bytes > kFirstBytes) {
        EXPECT_LE(link.latency + static_cast<double>(bytes) / speed, 0.1)
            << speed;
      }
    }
  }
}

TEST(FittingBytes, IsTheLeastOnALinkThatHardlyMoves) {
  Link link{.latency = 3};
  EXPECT_EQ(FittingBytes(64 * kMiB, 0.1, link.time_one(), link.agree()),
            kLeastBytes);
}

TEST(FittingBytes, IsNeverMoreThanWanted) {
  for (const double latency : {0.0001, 3.0}) {
    Link link{.latency = latency};
    EXPECT_EQ(FittingBytes(64, 0.1, link.time_one(), link.agree()), 64u);
    EXPECT_EQ(*std::max_element(link.asked.begin(), link.asked.end()), 64u);
  }
}

TEST(FittingBytes, GoesByTheSlowestMember) {
  Link link{.bytes_per_second = 1e8, .slowest = 10};
  const uint64_t bytes =
      FittingBytes(1024 * kMiB, 0.1, link.time_one(), link.agree());
  EXPECT_LT(bytes, 1'001'000u);
  EXPECT_GT(bytes, 900'000u);
}

TEST(FittingBytes, IgnoresWhatDisturbsSomeReductions) {
  Link link;
  int call = 0;
  const TimeOne hiccups = [&](uint64_t bytes) {
    return link.Time(bytes) + (++call % 3 == 0 ? 0.0 : 0.1);
  };
  EXPECT_EQ(FittingBytes(16 * kMiB, 0.1, hiccups, link.agree()), 16 * kMiB);
}

TEST(FittingBytes, DoesNotTryAgainForLong) {
  Link link{.latency = 0.15};
  FittingBytes(64 * kMiB, 0.1, link.time_one(), link.agree());
  EXPECT_LT(link.spent, 0.6);
  Link hopeless{.latency = 1};
  FittingBytes(64 * kMiB, 0.1, hopeless.time_one(), hopeless.agree());
  EXPECT_EQ(hopeless.asked.size(), 1u);
}

TEST(Sample, GoesOnUntilTheTimeHasPassed) {
  Link link{.latency = 0.01, .bytes_per_second = 1e12};
  const std::vector<double> samples =
      Sample(1000, 0.5, link.time_one(), link.agree());
  EXPECT_GE(link.spent, 0.5);
  EXPECT_LE(link.spent, 0.6);
  EXPECT_EQ(samples.size(), link.asked.size());
  // Members seldom wait for each other.
  EXPECT_LT(link.agreed, 10u);
}

TEST(Sample, MeasuresTwiceAtLeast) {
  Link link{.latency = 2};
  EXPECT_EQ(Sample(4, 0, link.time_one(), link.agree()).size(), 2u);
}

TEST(Sample, EndsAtTheMost) {
  Link link{.latency = 1e-6, .bytes_per_second = 1e15};
  EXPECT_EQ(Sample(4, 10, link.time_one(), link.agree()).size(), kMostSamples);
}

TEST(Sample, IsAsLongForAllMembers) {
  Link fast{.latency = 0.001, .slowest = 20};
  Link slow{.latency = 0.02};
  fast.bytes_per_second = slow.bytes_per_second = 1e15;
  EXPECT_EQ(Sample(4, 0.5, fast.time_one(), fast.agree()).size(),
            Sample(4, 0.5, slow.time_one(), slow.agree()).size());
}

TEST(Summarize, TakesTheSmallestAndTheMiddle) {
  EXPECT_EQ(Summarize({3}).best, 3);
  EXPECT_EQ(Summarize({3}).median, 3);
  EXPECT_EQ(Summarize({9, 1, 5}).best, 1);
  EXPECT_EQ(Summarize({9, 1, 5}).median, 5);
  EXPECT_EQ(Summarize({9, 1, 5, 7}).median, 6);
}

}  // namespace
}  // namespace muster::fabric
