#include "launcher/history/log_names.h"

#include "gtest/gtest.h"

namespace muster::history {
namespace {

TEST(LogNames, AreReadWithAnyWidthOfTheRank) {
  EXPECT_EQ(ParseLogFile("3.stdout", {}), (LogKey{0, 3, 0, STREAM_STDOUT}));
  EXPECT_EQ(ParseLogFile("0042.stderr", {1, 2}),
            (LogKey{1, 42, 2, STREAM_STDERR}));
  EXPECT_EQ(ParseLogFile("node7.agent", {}), (LogKey{0, 7, 0, STREAM_AGENT}));
}

TEST(LogNames, OfOtherFilesAreNone) {
  for (const char* name : {"3.stdout.gaps", ".stdout", "x.stdout", "-1.stdout",
                           "3.log", "node.agent", "3.agent", "node3.stdout",
                           "99999999999.stdout", "+3.stdout", ""}) {
    EXPECT_EQ(ParseLogFile(name, {}), std::nullopt) << name;
  }
}

TEST(LogNames, DirectoriesAreOfAttemptsAndIncarnations) {
  EXPECT_EQ(ParseDirectory("attempt2", {}), (LogDirectory{2, 0}));
  EXPECT_EQ(ParseDirectory("incarnation1", {2, 0}), (LogDirectory{2, 1}));
  EXPECT_EQ(ParseDirectory("attempt2", {1, 0}), std::nullopt);
  EXPECT_EQ(ParseDirectory("attempt2", {0, 1}), std::nullopt);
  EXPECT_EQ(ParseDirectory("incarnation2", {0, 1}), std::nullopt);
  EXPECT_EQ(ParseDirectory("attempt0", {}), std::nullopt);
  EXPECT_EQ(ParseDirectory("attempt", {}), std::nullopt);
  EXPECT_EQ(ParseDirectory("logs", {}), std::nullopt);
  EXPECT_EQ(PathOf({0, 0}), "logs");
  EXPECT_EQ(PathOf({2, 1}), "logs/attempt2/incarnation1");
}

TEST(LogNames, AreOrderedByAttemptRankAndStream) {
  EXPECT_LT((LogKey{0, 9, 0, STREAM_STDERR}), (LogKey{1, 0, 0, STREAM_STDOUT}));
  EXPECT_LT((LogKey{0, 2, 0, STREAM_STDERR}),
            (LogKey{0, 10, 0, STREAM_STDOUT}));
  EXPECT_LT((LogKey{0, 2, 0, STREAM_STDOUT}), (LogKey{0, 2, 0, STREAM_STDERR}));
}

TEST(LogNames, AreShortForPeople) {
  EXPECT_EQ(ShortName({0, 3, 0, STREAM_STDOUT}), "3.stdout");
  EXPECT_EQ(ShortName({1, 3, 0, STREAM_STDERR}), "attempt1/3.stderr");
  EXPECT_EQ(ShortName({0, 3, 1, STREAM_AGENT}), "incarnation1/node3.agent");
  EXPECT_EQ(ToKey(ToName({1, 3, 2, STREAM_STDERR})),
            (LogKey{1, 3, 2, STREAM_STDERR}));
}

}  // namespace
}  // namespace muster::history
