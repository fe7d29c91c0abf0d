#include "tests/support/crash_replay/file_history.h"

#include <deque>
#include <map>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::test {
namespace {

using ::testing::Contains;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

// A file and the calls on it.
class File {
 public:
  explicit File(const std::string& content = "") : history_(content) {}

  File& Write(uint64_t offset, const std::string& data) {
    TraceEvent event;
    event.kind = TraceEvent::Kind::kWrite;
    event.offset = offset;
    event.data = data;
    return Add(event);
  }
  File& Resize(uint64_t size) {
    TraceEvent event;
    event.kind = TraceEvent::Kind::kResize;
    event.size = size;
    return Add(event);
  }
  // Of all but the last `less` calls.
  File& Sync(size_t less = 0) {
    history_.Sync(events_.size() - less);
    return *this;
  }

  std::set<std::string> Possible(DiskModel model) const {
    std::set<std::string> contents;
    for (const Survival survival :
         {Survival::kNothing, Survival::kEverything, Survival::kSizes}) {
      Fate fate(survival, 0);
      contents.insert(history_.AfterPowerLoss(model, &fate));
    }
    for (uint64_t seed = 0; seed < 2000; ++seed) {
      Fate fate(Survival::kRandom, seed);
      contents.insert(history_.AfterPowerLoss(model, &fate));
    }
    return contents;
  }
  const FileHistory& history() const { return history_; }

 private:
  File& Add(const TraceEvent& event) {
    events_.push_back(event);
    history_.Add(events_.size() - 1, events_.back());
    return *this;
  }

  std::deque<TraceEvent> events_;  // stay where they are
  FileHistory history_;
};

const std::string& Page(char letter) {
  static std::map<char, std::string> pages;
  return pages.emplace(letter, std::string(4096, letter)).first->second;
}

TEST(FileHistory, OfASyncedFileHasOneEnd) {
  File file("old");
  file.Write(0, "new").Resize(10).Sync();
  for (const DiskModel model : {DiskModel::kJournaled, DiskModel::kLoose}) {
    EXPECT_THAT(file.Possible(model),
                UnorderedElementsAre(std::string("new\0\0\0\0\0\0\0", 10)));
  }
}

TEST(FileHistory, LosesAppendedBytesFromTheEndWhenJournaled) {
  File file("a");
  file.Write(1, "b").Write(2, "c");
  EXPECT_THAT(file.Possible(DiskModel::kJournaled),
              UnorderedElementsAre("a", "ab", "abc"));
}

TEST(FileHistory, MayHaveZerosInPlaceOfAppendedBytesWhenLoose) {
  File file("a");
  file.Write(1, "b");
  EXPECT_THAT(file.Possible(DiskModel::kLoose),
              UnorderedElementsAre("a", std::string("a\0", 2), "ab"));
}

TEST(FileHistory, KeepsWhatASyncCovered) {
  File file;
  file.Write(0, "one ").Write(4, "two ").Write(8, "three").Sync(1);
  EXPECT_THAT(file.Possible(DiskModel::kJournaled),
              UnorderedElementsAre("one two ", "one two three"));
}

TEST(FileHistory, MixesOldAndNewPagesOfAnOverwrite) {
  File file(Page('a') + Page('b'));
  file.Write(0, Page('A') + Page('B'));
  const std::set<std::string> possible = file.Possible(DiskModel::kJournaled);
  EXPECT_EQ(possible.size(), 4);
  for (const char first : {'a', 'A'}) {
    for (const char second : {'b', 'B'}) {
      EXPECT_EQ(possible.count(Page(first) + Page(second)), 1)
          << first << second;
    }
  }
}

TEST(FileHistory, TearsAPageOnlyWhenLoose) {
  File file(Page('a'));
  file.Write(0, Page('A'));
  EXPECT_EQ(file.Possible(DiskModel::kJournaled).size(), 2);
  EXPECT_GT(file.Possible(DiskModel::kLoose).size(), 10);
}

TEST(FileHistory, MayKeepAnOldHeadWithANewTail) {
  // The head is written last, and lost alone.
  File file;
  file.Write(0, Page('0')).Write(4096, Page('b')).Write(0, Page('H'));
  const std::set<std::string> possible = file.Possible(DiskModel::kJournaled);
  EXPECT_EQ(possible.size(), 5);
  for (const std::string& content :
       {std::string(), Page('0'), Page('H'), Page('0') + Page('b'),
        Page('H') + Page('b')}) {
    EXPECT_EQ(possible.count(content), 1) << content.substr(0, 1);
  }
}

TEST(FileHistory, NeverMixesWhatWasBeforeACutWithWhatCameAfter) {
  File file("old old");
  file.Resize(0).Write(0, "new");
  EXPECT_THAT(file.Possible(DiskModel::kJournaled),
              UnorderedElementsAre("old old", "", "new"));
  EXPECT_THAT(file.Possible(DiskModel::kLoose),
              Not(Contains(std::string("old"))));
}

TEST(FileHistory, IsEmptyAfterARenameWithoutSyncAtTheWorst) {
  File file;
  file.Write(0, "content");
  Fate fate(Survival::kNothing, 0);
  EXPECT_EQ(file.history().AfterPowerLoss(DiskModel::kJournaled, &fate), "");
}

}  // namespace
}  // namespace muster::test
