#include "launcher/collector/node_register.h"

#include <string>

#include "gtest/gtest.h"
#include "launcher/collector/names.h"
#include "launcher/collector/node_key.h"

namespace muster::collector {
namespace {

Introduction Node(uint32_t node, uint32_t first, uint32_t workers,
                  uint32_t world, const std::string& incarnation = "a") {
  Introduction introduction;
  introduction.set_node_rank(node);
  introduction.set_first_rank(first);
  introduction.set_workers(workers);
  introduction.set_world_size(world);
  introduction.set_incarnation(incarnation);
  return introduction;
}

void Enter(NodeRegister& nodes, const Introduction& introduction) {
  ASSERT_TRUE(nodes.Check(introduction).ok()) << nodes.Check(introduction);
  const NodeRegister::Entry entry = nodes.Find(introduction);
  if (entry.is_new) nodes.Add(entry.node);
}

TEST(NodeRegister, ANodeComesAgainAsItself) {
  NodeRegister nodes;
  Enter(nodes, Node(0, 0, 2, 4));
  Enter(nodes, Node(1, 2, 2, 4));
  const NodeRegister::Entry again = nodes.Find(Node(1, 2, 2, 4));
  EXPECT_FALSE(again.is_new);
  EXPECT_EQ(again.node.id(), 1u);
  EXPECT_EQ(again.generation, 0u);
}

TEST(NodeRegister, ALaterIncarnationFencesTheEarlierOnesOff) {
  NodeRegister nodes;
  Enter(nodes, Node(0, 0, 2, 4, "a"));
  Enter(nodes, Node(0, 0, 2, 4, "b"));
  EXPECT_TRUE(absl::IsAborted(nodes.Check(Node(0, 0, 2, 4, "a"))));
  EXPECT_EQ(nodes.Find(Node(0, 0, 2, 4, "b")).generation, 1u);
  Enter(nodes, Node(0, 0, 2, 4, "c"));
  EXPECT_TRUE(absl::IsAborted(nodes.Check(Node(0, 0, 2, 4, "a"))));
  EXPECT_TRUE(absl::IsAborted(nodes.Check(Node(0, 0, 2, 4, "b"))));
  Introduction next_attempt = Node(0, 0, 2, 4, "a");
  next_attempt.set_attempt(1);
  EXPECT_TRUE(nodes.Check(next_attempt).ok());
  EXPECT_EQ(nodes.Find(next_attempt).generation, 0u);
}

TEST(NodeRegister, APlaceTakenWithAKeyIsForThatKey) {
  const std::string run_key(kKeyBytes, 'k');
  NodeRegister nodes;
  Introduction mine = Node(1, 2, 2, 4);
  mine.set_key(NodeKey(run_key, {1, 0, 2, 2, 4}));
  JournalNode entry = nodes.Find(mine).node;
  entry.set_key(mine.key());
  nodes.Add(entry);
  EXPECT_TRUE(nodes.Check(mine).ok());
  Introduction later = mine;
  later.set_incarnation("b");
  EXPECT_TRUE(nodes.Check(later).ok());
  later.set_key(NodeKey(run_key, {0, 0, 2, 2, 4}));
  EXPECT_TRUE(absl::IsPermissionDenied(nodes.Check(later)));
  later.clear_key();
  EXPECT_TRUE(absl::IsPermissionDenied(nodes.Check(later)));
  EXPECT_TRUE(nodes.AreOf(run_key));
  EXPECT_FALSE(nodes.AreOf(std::string(kKeyBytes, 'x')));
}

TEST(NodeRegister, RanksBelongToOneNode) {
  NodeRegister nodes;
  Enter(nodes, Node(0, 0, 2, 6));
  Enter(nodes, Node(2, 4, 2, 6));
  Enter(nodes, Node(3, 3, 0, 6));  // no workers, no ranks
  for (uint32_t first = 0; first < 6; ++first) {
    for (uint32_t workers = 1; first + workers <= 6; ++workers) {
      const bool free = first >= 2 && first + workers <= 4;
      EXPECT_EQ(nodes.Check(Node(1, first, workers, 6)).ok(), free)
          << first << "+" << workers;
    }
  }
  EXPECT_TRUE(absl::IsInvalidArgument(nodes.Check(Node(0, 0, 1, 6))))
      << "it has two";
}

TEST(NodeRegister, RefusesWhatCannotBe) {
  NodeRegister nodes;
  Enter(nodes, Node(0, 0, 2, 6));
  EXPECT_FALSE(nodes.Check(Node(1, 2, 2, 5)).ok()) << "another world";
  EXPECT_FALSE(nodes.Check(Node(1, 5, 2, 6)).ok());
  EXPECT_FALSE(nodes.Check(Node(1, 0, 0, 0)).ok());
  EXPECT_FALSE(nodes.Check(Node(1, ~0u, ~0u, ~0u)).ok());
  EXPECT_FALSE(nodes.Check(Node(1, 2, 2, 6, "")).ok());
  EXPECT_FALSE(nodes.Check(Node(1, 2, 2, 6, std::string(129, 'i'))).ok());
}

TEST(NodeKey, IsOfOnePlaceInOneRun) {
  const std::string run(kKeyBytes, 'r');
  const NodePlace place = {1, 2, 3, 4, 50};
  const std::string key = NodeKey(run, place);
  EXPECT_EQ(key.size(), kKeyBytes);
  EXPECT_TRUE(SameSecret(key, NodeKey(run, place)));
  for (const NodePlace& other :
       {NodePlace{0, 2, 3, 4, 50}, NodePlace{1, 0, 3, 4, 50},
        NodePlace{1, 2, 0, 4, 50}, NodePlace{1, 2, 3, 0, 50},
        NodePlace{1, 2, 3, 4, 5}, NodePlace{12, 2, 3, 4, 50}}) {
    EXPECT_FALSE(SameSecret(key, NodeKey(run, other)));
  }
  EXPECT_FALSE(SameSecret(key, NodeKey(std::string(kKeyBytes, 's'), place)));
  EXPECT_FALSE(SameSecret("", ""));
  EXPECT_FALSE(SameSecret(key, key.substr(1)));
  EXPECT_EQ(MakeRunKey().size(), kKeyBytes);
  EXPECT_NE(MakeRunKey(), MakeRunKey());
}

TEST(Names, OfRunsAreHarmless) {
  for (const char* id : {"run", "A-z_0.9", ".hidden", "-"}) {
    EXPECT_TRUE(IsRunId(id)) << id;
  }
  for (const std::string& id :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"),
        std::string("a b"), std::string("a\0", 2), std::string("\xc3\xa9"),
        std::string(65, 'a'), std::string(".muster-new-x")}) {
    EXPECT_FALSE(IsRunId(id)) << id;
  }
}

}  // namespace
}  // namespace muster::collector
