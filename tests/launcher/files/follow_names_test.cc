#include "launcher/files/follow_names.h"

#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::files {

void PrintTo(const FollowNames::Action& action, std::ostream* out) {
  *out << static_cast<int>(action.kind) << " " << action.file.second << " "
       << action.from << " -> " << action.to;
}

namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Action = FollowNames::Action;
using Seen = std::vector<std::pair<std::string, FileKey>>;

FileKey Inode(uint64_t inode) { return {1, inode}; }

Action Start(uint64_t inode, const std::string& to) {
  return {Action::Kind::kStart, Inode(inode), "", to};
}
Action Move(const std::string& from, const std::string& to) {
  return {Action::Kind::kMove, {}, from, to};
}
Action Gone(uint64_t inode) {
  return {Action::Kind::kGone, Inode(inode), "", ""};
}

TEST(FollowNames, StartsWhatIsNew) {
  FollowNames names;
  EXPECT_THAT(names.Look({{"a", Inode(1)}, {"b", Inode(2)}}),
              ElementsAre(Start(1, "a"), Start(2, "b")));
  EXPECT_THAT(names.Look({{"a", Inode(1)}, {"b", Inode(2)}}), IsEmpty());
  EXPECT_EQ(names.NameOf(Inode(2)), "b");
  EXPECT_EQ(*names.At("a"), Inode(1));
  EXPECT_EQ(names.At("c"), nullptr);
}

TEST(FollowNames, FollowsARotation) {
  FollowNames names;
  names.Look({{"log", Inode(1)}, {"log.1", Inode(2)}, {"log.2", Inode(3)}});
  // log.2 is removed, log.1 and log move up, log is made anew.
  EXPECT_THAT(
      names.Look({{"log", Inode(4)}, {"log.1", Inode(1)}, {"log.2", Inode(2)}}),
      ElementsAre(Gone(3), Move("log.2", "log.2.replaced-1"),
                  Move("log.1", "log.2"), Move("log", "log.1"),
                  Start(4, "log")));
  EXPECT_EQ(names.NameOf(Inode(3)), "log.2.replaced-1");
  EXPECT_TRUE(names.IsGone(Inode(3)));
}

TEST(FollowNames, SwapsTwoFiles) {
  FollowNames names;
  names.Look({{"a", Inode(1)}, {"b", Inode(2)}});
  EXPECT_THAT(names.Look({{"a", Inode(2)}, {"b", Inode(1)}}),
              ElementsAre(Move("a", "b.moving-1"), Move("b", "a"),
                          Move("b.moving-1", "b")));
}

TEST(FollowNames, KeepsTheCopyOfAFileThatIsGone) {
  FollowNames names;
  names.Look({{"a", Inode(1)}});
  EXPECT_THAT(names.Look({}), ElementsAre(Gone(1)));
  EXPECT_THAT(names.Look({}), IsEmpty());
  EXPECT_THAT(names.Look({{"a", Inode(2)}}),
              ElementsAre(Move("a", "a.replaced-1"), Start(2, "a")));
  // A file that was moved out of the tree comes back under another name.
  EXPECT_THAT(names.Look({{"a", Inode(2)}, {"b", Inode(1)}}),
              ElementsAre(Move("a.replaced-1", "b")));
  EXPECT_FALSE(names.IsGone(Inode(1)));
}

TEST(FollowNames, KeepsWhatWasBeforeATruncation) {
  FollowNames names;
  names.Look({{"a", Inode(1)}});
  EXPECT_THAT(names.Truncated(Inode(1)),
              ElementsAre(Move("a", "a.truncated-1")));
  EXPECT_THAT(names.Truncated(Inode(1)),
              ElementsAre(Move("a", "a.truncated-2")));
  EXPECT_EQ(names.NameOf(Inode(1)), "a");
  // Somebody here has a file of such a name.
  EXPECT_THAT(names.Look({{"a", Inode(1)}, {"a.truncated-2", Inode(2)}}),
              ElementsAre(Move("a.truncated-2", "a.truncated-2.replaced-1"),
                          Start(2, "a.truncated-2")));
  EXPECT_THAT(names.Look({{"a", Inode(1)},
                          {"a.truncated-2", Inode(2)},
                          {"a.truncated-3", Inode(3)}}),
              ElementsAre(Start(3, "a.truncated-3")));
  EXPECT_THAT(names.Truncated(Inode(1)),
              ElementsAre(Move("a", "a.truncated-4")));
}

TEST(FollowNames, KeepsABoundedNumberOfCopies) {
  FollowNames names;
  names.Look({{"a", Inode(1)}});
  for (size_t i = 0; i < FollowNames::kMaxKept; ++i) {
    ASSERT_EQ(names.Truncated(Inode(1)).size(), 1u);
  }
  EXPECT_THAT(names.Truncated(Inode(1)), IsEmpty());
}

TEST(FollowNames, GivesAHardLinkTheNameThatItHad) {
  FollowNames names;
  EXPECT_THAT(names.Look({{"a", Inode(1)}, {"b", Inode(1)}}),
              ElementsAre(Start(1, "a")));
  EXPECT_THAT(names.Look({{"0", Inode(1)}, {"a", Inode(1)}}), IsEmpty());
  EXPECT_THAT(names.Look({{"0", Inode(1)}}), ElementsAre(Move("a", "0")));
}

// The collector as the actions make it: which file's bytes are under which
// name.
struct Far {
  std::map<std::string, FileKey> files;

  void Carry(const Action& action) {
    if (action.kind == Action::Kind::kStart) {
      ASSERT_EQ(files.count(action.to), 0u)
          << "the copy of another file is lost under " << action.to;
      files[action.to] = action.file;
    } else if (action.kind == Action::Kind::kMove) {
      ASSERT_EQ(files.count(action.from), 1u) << "no " << action.from;
      ASSERT_EQ(files.count(action.to), 0u)
          << "the copy of another file is lost under " << action.to;
      files[action.to] = files[action.from];
      files.erase(action.from);
    }
  }
};

TEST(FollowNames, LosesNoCopyWhateverHappens) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&random](size_t n) { return random() % n; };
    FollowNames names;
    Far far;
    std::map<std::string, FileKey> here;
    std::set<FileKey> ever;
    uint64_t next = 1;
    for (int step = 0; step < 60; ++step) {
      for (size_t changes = 1 + pick(5); changes > 0; --changes) {
        const std::string name = "f" + std::to_string(pick(6));
        const std::string other = "f" + std::to_string(pick(6));
        switch (pick(4)) {
          case 0:
            here[name] = Inode(next++);
            break;
          case 1:
            here.erase(name);
            break;
          case 2:
            if (here.count(name) != 0 && name != other) {
              here[other] = here[name];
              here.erase(name);
            }
            break;
          case 3:
            if (here.count(name) != 0 && here.count(other) != 0) {
              std::swap(here[name], here[other]);
            }
            break;
        }
      }
      for (const Action& action : names.Look(Seen(here.begin(), here.end()))) {
        if (action.kind == Action::Kind::kStart) ever.insert(action.file);
        ASSERT_NO_FATAL_FAILURE(far.Carry(action)) << "seed " << seed;
      }
      std::set<FileKey> held;
      for (const auto& [name, key] : far.files) held.insert(key);
      ASSERT_EQ(held, ever) << "seed " << seed;
      for (const auto& [name, key] : here) {
        ASSERT_EQ(far.files[name], key) << "seed " << seed << ": " << name;
        ASSERT_EQ(names.NameOf(key), name);
      }
    }
  }
}

}  // namespace
}  // namespace muster::files
