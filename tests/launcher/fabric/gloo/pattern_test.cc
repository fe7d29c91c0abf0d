#include "launcher/fabric/gloo/pattern.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

namespace muster::fabric {
namespace {

constexpr size_t kCount = 10'000;

// What the members give, added in the order of `ranks`.
std::vector<float> Sum(const std::vector<uint32_t>& ranks, uint32_t pass) {
  std::vector<float> sum(kCount, 0), input(kCount);
  for (const uint32_t rank : ranks) {
    FillInput(input.data(), kCount, rank, pass);
    for (size_t i = 0; i < kCount; ++i) sum[i] += input[i];
  }
  return sum;
}

Wrong Check(const std::vector<float>& sum, uint32_t members, uint32_t pass) {
  return CheckSum(sum.data(), sum.size(), members, pass);
}

TEST(Pattern, AddsUpExactlyInEveryOrder) {
  EXPECT_EQ(Check(Sum({0, 1, 2, 3, 4}, 0), 5, 0).count, 0u);
  EXPECT_EQ(Check(Sum({3, 1, 4, 0, 2}, 1), 5, 1).count, 0u);
}

TEST(Pattern, AddsUpExactlyForThousandsOfMembers) {
  constexpr uint32_t kMembers = 8191;
  std::vector<float> sum(256, 0), input(256);
  for (uint32_t rank = 0; rank < kMembers; ++rank) {
    FillInput(input.data(), input.size(), rank, 0);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += input[i];
  }
  EXPECT_EQ(CheckSum(sum.data(), sum.size(), kMembers, 0).count, 0u);
}

TEST(Pattern, ShowsOneFlippedBit) {
  std::vector<float> sum = Sum({0, 1}, 0);
  const float right = sum[77];
  reinterpret_cast<uint32_t&>(sum[77]) ^= 1;
  const Wrong wrong = Check(sum, 2, 0);
  EXPECT_EQ(wrong.count, 1u);
  EXPECT_EQ(wrong.first, 77u);
  EXPECT_EQ(wrong.is, sum[77]);
  EXPECT_EQ(wrong.should_be, right);
}

TEST(Pattern, ShowsAMemberThatIsMissingOrCountedTwice) {
  EXPECT_EQ(Check(Sum({0, 2}, 0), 3, 0).count, kCount);
  EXPECT_EQ(Check(Sum({0, 1, 1, 2}, 0), 3, 0).count, kCount);
}

TEST(Pattern, ShowsDataOfAnEarlierPass) {
  EXPECT_GT(Check(Sum({0, 1}, 0), 2, 1).count, kCount * 9 / 10);
}

TEST(Pattern, ShowsPartsInTheWrongPlace) {
  std::vector<float> sum = Sum({0, 1}, 0);
  std::swap_ranges(sum.begin(), sum.begin() + 1000, sum.begin() + 4096);
  EXPECT_GT(Check(sum, 2, 0).count, 1900u);
  sum = Sum({0, 1}, 0);
  std::rotate(sum.begin(), sum.begin() + 1, sum.end());
  EXPECT_GT(Check(sum, 2, 0).count, kCount * 9 / 10);
}

TEST(Pattern, ChangesEveryBitOfMemoryFromPassToPass) {
  std::vector<uint64_t> first(100), second(100);
  FillWords(first.data(), first.size(), 0);
  FillWords(second.data(), second.size(), 1);
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i] ^ second[i], ~uint64_t{0});
  }
  EXPECT_EQ(std::set<uint64_t>(first.begin(), first.end()).size(), 100u);
  EXPECT_EQ(CheckWords(second.data(), second.size(), 1).count, 0u);
  second[42] ^= 1u << 20;
  const Wrong wrong = CheckWords(second.data(), second.size(), 1);
  EXPECT_EQ(wrong.count, 1u);
  EXPECT_EQ(wrong.first, 42u);
}

}  // namespace
}  // namespace muster::fabric
