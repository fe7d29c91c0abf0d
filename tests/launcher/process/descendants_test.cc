#include "launcher/process/descendants.h"

#include "gtest/gtest.h"

namespace muster::process {
namespace {

// Fields 3 to 22 and some after them, as the kernel writes them.
std::string Stat(const std::string& name, char state, int threads) {
  return "4711 (" + name + ") " + state +
         " 815 4711 4711 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 " +
         std::to_string(threads) + " 0 987654321 2500 100\n";
}

TEST(ParseStat, ReadsPidParentNameAndStartTime) {
  const auto entry = ParseStat(Stat("python3", 'S', 4));
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->pid, 4711);
  EXPECT_EQ(entry->parent, 815);
  EXPECT_EQ(entry->name, "python3");
  EXPECT_EQ(entry->start_time, 987654321u);
  EXPECT_FALSE(entry->ended);
}

TEST(ParseStat, IsNotMisledByAName) {
  const auto entry = ParseStat(Stat("a) R 1 (b", 'S', 1));
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->name, "a) R 1 (b");
  EXPECT_EQ(entry->parent, 815);
}

TEST(ParseStat, TakesAZombieForEndedOnlyWithoutThreads) {
  EXPECT_TRUE(ParseStat(Stat("x", 'Z', 1))->ended);
  EXPECT_FALSE(ParseStat(Stat("x", 'Z', 2))->ended);
}

TEST(ParseStat, RefusesWhatIsNoStat) {
  EXPECT_FALSE(ParseStat("").has_value());
  EXPECT_FALSE(ParseStat("4711 (x").has_value());
  EXPECT_FALSE(ParseStat(") 4711 (").has_value());
  EXPECT_FALSE(ParseStat("4711 (x) S 815").has_value());
  EXPECT_FALSE(ParseStat("pid (x) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1")
                   .has_value());
}

}  // namespace
}  // namespace muster::process
