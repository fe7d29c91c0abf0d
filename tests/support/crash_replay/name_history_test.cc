#include "tests/support/crash_replay/name_history.h"

#include <deque>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::test {
namespace {

using ::testing::Contains;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

// Directories 0 (the root, holding 1 as "d") and 1; files from 2 on.
class Tree {
 public:
  Tree() : history_(Objects()) {}

  Tree& Add(ObjectId directory, const std::string& name, ObjectId object) {
    TraceEvent event;
    event.kind = TraceEvent::Kind::kAdd;
    event.directory = directory;
    event.name = name;
    event.object = object;
    return Push(event);
  }
  Tree& Remove(ObjectId directory, const std::string& name, ObjectId object) {
    TraceEvent event;
    event.kind = TraceEvent::Kind::kRemove;
    event.directory = directory;
    event.name = name;
    event.object = object;
    return Push(event);
  }
  Tree& Rename(ObjectId from, const std::string& name, ObjectId to,
               const std::string& to_name, ObjectId object) {
    TraceEvent event;
    event.kind = TraceEvent::Kind::kRename;
    event.directory = from;
    event.name = name;
    event.to_directory = to;
    event.to_name = to_name;
    event.object = object;
    return Push(event);
  }
  Tree& Sync(ObjectId object) {
    history_.Sync(events_.size(), object);
    return *this;
  }

  // Each as "/:a=2 b=3 d:c=4".
  std::set<std::string> Possible(DiskModel model) const {
    std::set<std::string> trees;
    for (uint64_t seed = 0; seed < 500; ++seed) {
      Fate fate(Survival::kRandom, seed);
      std::string text;
      for (const auto& [directory, entries] :
           history_.AfterPowerLoss(model, &fate)) {
        for (const auto& [name, object] : entries) {
          if (object != 1) {
            absl::StrAppend(&text, directory == 0 ? "" : "d/", name, "=",
                            object, " ");
          }
        }
      }
      trees.insert(text);
    }
    return trees;
  }

 private:
  static std::vector<TraceObject> Objects() {
    std::vector<TraceObject> objects(2, {.is_directory = true});
    objects[0].entries["d"] = 1;
    return objects;
  }
  Tree& Push(const TraceEvent& event) {
    events_.push_back(event);
    history_.Add(events_.size() - 1, events_.back());
    return *this;
  }

  std::deque<TraceEvent> events_;
  NameHistory history_;
};

TEST(NameHistory, KeepsTheOrderOfAllChangesWhenJournaled) {
  Tree tree;
  tree.Add(0, "a", 2).Add(1, "b", 3);
  EXPECT_THAT(tree.Possible(DiskModel::kJournaled),
              UnorderedElementsAre("", "a=2 ", "a=2 d/b=3 "));
}

TEST(NameHistory, KeepsOnlyTheOrderWithinADirectoryWhenLoose) {
  Tree tree;
  tree.Add(0, "a", 2).Add(0, "b", 3).Add(1, "c", 4);
  EXPECT_THAT(tree.Possible(DiskModel::kLoose),
              UnorderedElementsAre("", "a=2 ", "a=2 b=3 ", "d/c=4 ",
                                   "a=2 d/c=4 ", "a=2 b=3 d/c=4 "));
}

TEST(NameHistory, KeepsWhatASyncOfTheDirectoryCovered) {
  Tree tree;
  tree.Add(0, "a", 2).Sync(0).Add(0, "b", 3);
  for (const DiskModel model : {DiskModel::kJournaled, DiskModel::kLoose}) {
    EXPECT_THAT(tree.Possible(model), UnorderedElementsAre("a=2 ", "a=2 b=3 "));
  }
}

TEST(NameHistory, KeepsTheNameOfASyncedFileOnlyWhenJournaled) {
  Tree tree;
  tree.Add(0, "a", 2).Sync(2);
  EXPECT_THAT(tree.Possible(DiskModel::kJournaled),
              UnorderedElementsAre("a=2 "));
  EXPECT_THAT(tree.Possible(DiskModel::kLoose),
              UnorderedElementsAre("", "a=2 "));
}

TEST(NameHistory, RenamesInBothDirectoriesOrInNone) {
  Tree tree;
  tree.Add(0, "a", 2).Sync(0).Rename(0, "a", 1, "b", 2);
  for (const DiskModel model : {DiskModel::kJournaled, DiskModel::kLoose}) {
    EXPECT_THAT(tree.Possible(model), UnorderedElementsAre("a=2 ", "d/b=2 "));
  }
  // The sync of either directory is one of both.
  tree.Sync(1);
  EXPECT_THAT(tree.Possible(DiskModel::kLoose), UnorderedElementsAre("d/b=2 "));
}

TEST(NameHistory, ReplacesANameWithoutATimeWhenThereIsNone) {
  Tree tree;
  tree.Add(0, "a", 2).Add(0, "a.new", 3).Sync(0).Rename(0, "a.new", 0, "a", 3);
  EXPECT_THAT(tree.Possible(DiskModel::kLoose),
              UnorderedElementsAre("a=2 a.new=3 ", "a=3 "));
}

TEST(NameHistory, RemovesOnlyWhatIsRemoved) {
  Tree tree;
  tree.Add(0, "a", 2).Add(0, "b", 3).Sync(0).Remove(0, "a", 2);
  EXPECT_THAT(tree.Possible(DiskModel::kJournaled),
              UnorderedElementsAre("a=2 b=3 ", "b=3 "));
}

}  // namespace
}  // namespace muster::test
