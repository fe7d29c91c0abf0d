#include "launcher/history/file_selection.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::history {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

FileSelection Select(const std::vector<std::string>& paths,
                     absl::string_view prefix) {
  std::vector<FileEntry> files;
  for (const std::string& path : paths) {
    files.emplace_back().set_path(path);
  }
  return SelectFiles(std::move(files), prefix);
}

std::vector<std::string> Targets(const FileSelection& selection) {
  std::vector<std::string> targets;
  for (const SelectedFile& one : selection.files) targets.push_back(one.target);
  return targets;
}

TEST(SelectFiles, OfWhatBeginsWithThePrefixTheRestAfterTheLastSlashCounts) {
  const std::vector<std::string> paths = {"logs/0.stdout", "logs/1.stdout",
                                          "run.json"};
  EXPECT_THAT(Targets(Select(paths, "logs/")),
              ElementsAre("0.stdout", "1.stdout"));
  EXPECT_THAT(Targets(Select(paths, "logs/0")), ElementsAre("0.stdout"));
  EXPECT_THAT(Targets(Select(paths, "logs")),
              ElementsAre("logs/0.stdout", "logs/1.stdout"));
  EXPECT_THAT(Targets(Select(paths, "")),
              ElementsAre("logs/0.stdout", "logs/1.stdout", "run.json"));
  EXPECT_THAT(Targets(Select(paths, "nothing")), IsEmpty());
}

TEST(SelectFiles, OutputsAreThoseOfEveryNode) {
  const FileSelection selection = Select(
      {"logs/outputs", "nodes/node0/logs/outputs/x", "nodes/node0/outputs/a/w0",
       "nodes/node1/outputs/a/w1", "outputs/z"},
      "outputs/");
  EXPECT_FALSE(selection.by_node);
  EXPECT_THAT(Targets(selection), ElementsAre("a/w0", "a/w1"));
  EXPECT_THAT(Targets(Select({"nodes/node0/outputs/a/w0"}, "outputs/a/w")),
              ElementsAre("w0"));
  EXPECT_THAT(Targets(Select({"nodes/node0/outputs/a/w0"}, "outputs")),
              ElementsAre("outputs/a/w0"));
  EXPECT_EQ(ListedPrefix("outputs/a"), "nodes/");
  EXPECT_EQ(ListedPrefix("logs/"), "logs/");
}

TEST(SelectFiles, WhereTwoNodesHaveOnePathEachHasADirectory) {
  const FileSelection selection =
      Select({"nodes/node0/outputs/m", "nodes/node0/outputs/only",
              "nodes/node1/outputs/m"},
             "outputs/");
  EXPECT_TRUE(selection.by_node);
  EXPECT_EQ(selection.shared, "m");
  EXPECT_THAT(Targets(selection),
              ElementsAre("node0/m", "node0/only", "node1/m"));
}

TEST(SelectFiles, AFileOfOneNodeWhereAnotherHasADirectoryIsAPathOfBoth) {
  EXPECT_TRUE(
      Select({"nodes/node0/outputs/m", "nodes/node1/outputs/m/x"}, "outputs/")
          .by_node);
  EXPECT_TRUE(
      Select({"nodes/node0/outputs/m/x", "nodes/node1/outputs/m"}, "outputs/")
          .by_node);
  EXPECT_FALSE(
      Select({"nodes/node0/outputs/m/x", "nodes/node1/outputs/m/y"}, "outputs/")
          .by_node);
}

TEST(SelectFiles, APathThatNamesItsNodeIsTakenAsItIs) {
  EXPECT_THAT(Targets(Select({"nodes/node0/outputs/m", "nodes/node1/outputs/m"},
                             "nodes/node1/outputs/")),
              ElementsAre("m"));
  const FileSelection both =
      Select({"nodes/node0/outputs/m", "nodes/node1/outputs/m"}, "nodes/");
  EXPECT_FALSE(both.by_node);
  EXPECT_THAT(Targets(both), ElementsAre("node0/outputs/m", "node1/outputs/m"));
}

}  // namespace
}  // namespace muster::history
