#include "rendezvous/rank_order.h"

#include <algorithm>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rendezvous/natural_order.h"
#include "tests/rendezvous/fixtures.h"

namespace muster::rendezvous {
namespace {

using test::NodeNamed;

std::vector<std::string> Ordered(const std::vector<NodeFacts>& nodes) {
  std::vector<std::string> out;
  for (const size_t i : OrderNodes(nodes)) out.push_back(nodes[i].host_name());
  return out;
}

TEST(NaturalOrder, ComparesNumbersByValue) {
  EXPECT_TRUE(NaturalCompare("node2", "node10") < 0);
  EXPECT_TRUE(NaturalCompare("rack10-node2", "rack9-node11") > 0);
  EXPECT_TRUE(
      NaturalCompare("a99999999999999999999", "a100000000000000000000") < 0);
}

TEST(NaturalOrder, IsEqualOnlyForIdenticalNames) {
  EXPECT_TRUE(NaturalCompare("node1", "node1") == 0);
  EXPECT_TRUE(NaturalCompare("node01", "node1") < 0);
  EXPECT_TRUE(NaturalCompare("node1", "node01") > 0);
  EXPECT_TRUE(NaturalCompare("node", "node1") < 0);
  EXPECT_TRUE(NaturalCompare("", "a") < 0);
}

TEST(NaturalOrder, IsATotalOrderOverRandomNames) {
  std::mt19937 random(7);
  std::vector<std::string> names;
  for (int i = 0; i < 300; ++i) {
    std::string name;
    for (size_t n = random() % 6; n > 0; --n) name += "ab019"[random() % 5];
    names.push_back(name);
  }
  for (const std::string& a : names) {
    for (const std::string& b : names) {
      EXPECT_EQ(NaturalCompare(a, b) < 0, NaturalCompare(b, a) > 0) << a << b;
      EXPECT_EQ(NaturalCompare(a, b) == 0, a == b) << a << " " << b;
    }
  }
  EXPECT_NO_FATAL_FAILURE(
      std::sort(names.begin(), names.end(),
                [](const std::string& a, const std::string& b) {
                  return NaturalCompare(a, b) < 0;
                }));
}

TEST(RankOrder, FollowsTheNaturalOrderOfHostNames) {
  EXPECT_THAT(
      Ordered({NodeNamed("node10"), NodeNamed("node9"), NodeNamed("node2")}),
      testing::ElementsAre("node2", "node9", "node10"));
}

TEST(RankOrder, PutsExplicitRanksBeforeNames) {
  EXPECT_THAT(
      Ordered({NodeNamed("a", 2), NodeNamed("b", 0), NodeNamed("c", 1)}),
      testing::ElementsAre("b", "c", "a"));
}

TEST(RankOrder, FillsVacantRanksWithTheNamedOnes) {
  EXPECT_THAT(Ordered({NodeNamed("z"), NodeNamed("m", 1), NodeNamed("a")}),
              testing::ElementsAre("a", "m", "z"));
}

TEST(RankOrder, ClosesGapsBetweenExplicitRanks) {
  EXPECT_THAT(Ordered({NodeNamed("a", 5), NodeNamed("b", 3)}),
              testing::ElementsAre("b", "a"));
}

TEST(RankOrder, NeverDependsOnWhoCameFirst) {
  std::vector<NodeFacts> nodes;
  for (int i = 0; i < 12; ++i) {
    nodes.push_back(NodeNamed("host" + std::to_string(i / 2)));
    nodes.back().set_incarnation(std::to_string(i));
  }
  const auto key = [&] {
    std::vector<std::string> out;
    for (const size_t i : OrderNodes(nodes)) {
      out.push_back(nodes[i].incarnation());
    }
    return out;
  };
  const std::vector<std::string> expected = key();
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    std::shuffle(nodes.begin(), nodes.end(), random);
    EXPECT_EQ(key(), expected);
  }
}

}  // namespace
}  // namespace muster::rendezvous
