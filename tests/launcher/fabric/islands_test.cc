#include "launcher/fabric/islands.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::fabric {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

Ledger LedgerOf(uint32_t units, const std::vector<Pair>& passed,
                const std::vector<Pair>& failed) {
  Ledger ledger(std::vector<uint32_t>(units, 1));
  for (const Pair& pair : passed) ledger.Add(1, {pair, {Outcome::kPass}});
  for (const Pair& pair : failed) ledger.Add(2, {pair, {Outcome::kFail}});
  return ledger;
}

TEST(Islands, AreJoinedByTestsThatPassed) {
  const Ledger ledger = LedgerOf(7, {{0, 1}, {2, 3}, {1, 4}}, {{3, 5}, {4, 5}});
  const Islands islands(ledger, 0, Level::kHard);
  EXPECT_THAT(islands.groups(),
              UnorderedElementsAre(ElementsAre(0, 1, 4), ElementsAre(2, 3)));
  EXPECT_EQ(islands.Of(4), islands.Of(0));
  EXPECT_NE(islands.Of(4), islands.Of(2));
  EXPECT_EQ(islands.Of(5), std::nullopt);
  EXPECT_THAT(islands.FailedWith(5), ElementsAre(0, 1));
  EXPECT_FALSE(islands.AnyGap());
  EXPECT_FALSE(islands.Divided());
}

TEST(Islands, TwoBadLinksAreNoGap) {
  const Ledger ledger = LedgerOf(4, {{0, 1}, {2, 3}}, {{0, 2}, {1, 3}});
  const Islands islands(ledger, 0, Level::kHard);
  EXPECT_EQ(islands.Failed(0, 1), 2);
  EXPECT_FALSE(islands.HasGap(0, 1));
}

// As far as each unit has one of them at most.
TEST(Islands, ThreeBadLinksThatDoNotMeetAreNoGap) {
  const Ledger ledger =
      LedgerOf(6, {{0, 1}, {1, 2}, {3, 4}, {4, 5}}, {{0, 3}, {1, 4}, {2, 5}});
  EXPECT_FALSE(Islands(ledger, 0, Level::kHard).HasGap(0, 1));
}

TEST(Islands, ThreePairsThatFailAreAGap) {
  const Ledger ledger = LedgerOf(4, {{0, 1}, {2, 3}}, {{0, 2}, {1, 3}, {0, 3}});
  const Islands islands(ledger, 0, Level::kHard);
  EXPECT_TRUE(islands.HasGap(1, 0));
  EXPECT_TRUE(islands.Divided());
}

TEST(Islands, AGroupThatWasNotTestedWithTheOthersLeavesItOpen) {
  const Ledger ledger =
      LedgerOf(6, {{0, 1}, {2, 3}, {4, 5}}, {{0, 2}, {1, 3}, {0, 3}});
  const Islands islands(ledger, 0, Level::kHard);
  EXPECT_TRUE(islands.AnyGap());
  EXPECT_FALSE(islands.Divided());
}

TEST(Islands, SlowPairsJoinOnlyWhereSlowIsGoodEnough) {
  Ledger ledger({1, 1, 1, 1});
  ledger.Add(1, {{0, 1}, {Outcome::kPass}});
  ledger.Add(1, {{2, 3}, {Outcome::kPass}});
  ledger.Add(2, {{1, 2}, {Outcome::kSlow}});
  EXPECT_EQ(Islands(ledger, 0, Level::kHard).groups().size(), 1);
  const Islands slow(ledger, 0, Level::kSlow);
  EXPECT_EQ(slow.groups().size(), 2);
  EXPECT_EQ(slow.Failed(), 1);
}

TEST(Islands, WhoIsExcludedIsInNone) {
  Ledger ledger = LedgerOf(3, {{0, 1}, {1, 2}}, {});
  ledger.Exclude(1);
  EXPECT_THAT(Islands(ledger, 0, Level::kHard).groups(),
              ElementsAre(ElementsAre(0, 2)));
}

}  // namespace
}  // namespace muster::fabric
