#include "launcher/files/file_plan.h"

#include <chrono>
#include <optional>
#include <random>
#include <string>

#include "gtest/gtest.h"

namespace muster::files {
namespace {

using std::chrono::milliseconds;
using Look = FilePlan::Look;

constexpr int64_t kLongAgo = 1'000'000'000;
constexpr int64_t kWall = 1'000'000'000'000;

Instant At(int ms) { return Instant(milliseconds(ms)); }

Version V(uint64_t number) {
  return {.size = number,
          .mtime_ns = kLongAgo,
          .ctime_ns = kLongAgo,
          .inode = 7,
          .device = 1};
}

std::string NextPath(FilePlan& plan, Instant now) {
  const auto candidate = plan.Next(now);
  return candidate ? candidate->path : "";
}

TEST(FilePlan, HandsOutWhatIsDue) {
  FilePlan plan;
  EXPECT_EQ(plan.NextDue(), std::nullopt);
  plan.Add({"b", At(20)});
  plan.Add({"a", At(10)});
  EXPECT_EQ(plan.NextDue(), At(10));
  EXPECT_EQ(NextPath(plan, At(9)), "");
  EXPECT_EQ(NextPath(plan, At(10)), "a");
  EXPECT_EQ(NextPath(plan, At(10)), "");
  EXPECT_EQ(NextPath(plan, At(25)), "b");
  EXPECT_FALSE(plan.IsIdle());
  plan.Stored("a", V(1));
  plan.Drop("b");
  EXPECT_TRUE(plan.IsIdle());
}

TEST(FilePlan, SendsNoVersionTwiceAndEachOnce) {
  FilePlan plan;
  plan.Add({"a", At(0)});
  auto candidate = plan.Next(At(0));
  EXPECT_EQ(plan.Decide(*candidate, V(1), At(0), kWall), Look::kSend);
  plan.Stored("a", V(1));
  EXPECT_TRUE(plan.IsKnown("a", V(1)));
  EXPECT_FALSE(plan.IsKnown("b", V(1)));

  plan.Add({"a", At(1)});
  candidate = plan.Next(At(1));
  EXPECT_EQ(plan.Decide(*candidate, V(1), At(1), kWall), Look::kKnown);
  EXPECT_TRUE(plan.IsIdle());

  plan.Add({"a", At(2)});
  candidate = plan.Next(At(2));
  EXPECT_EQ(plan.Decide(*candidate, V(2), At(2), kWall), Look::kSend);
}

TEST(FilePlan, TellsARewriteByEachPartOfAVersion) {
  FilePlan plan;
  const Version base = V(1);
  plan.Stored("a", base);
  for (int field = 0; field < 5; ++field) {
    Version other = base;
    if (field == 0) ++other.size;
    if (field == 1) ++other.mtime_ns;
    if (field == 2) ++other.ctime_ns;
    if (field == 3) ++other.inode;
    if (field == 4) ++other.device;
    EXPECT_FALSE(plan.IsKnown("a", other)) << field;
  }
}

TEST(FilePlan, TakesSeveralNoticesOfAFileForOne) {
  FilePlan plan;
  plan.Add({"a", At(0), {}, 5});
  plan.Add({"a", At(50), {}, 7});
  EXPECT_EQ(plan.waiting(), 1u);
  EXPECT_EQ(plan.waiting_bytes(), 7u);
  EXPECT_EQ(NextPath(plan, At(0)), "");
  EXPECT_EQ(NextPath(plan, At(50)), "a");
  EXPECT_EQ(plan.waiting_bytes(), 0u);
}

TEST(FilePlan, HandsAFileOutOnlyOnceAtATime) {
  FilePlan plan;
  plan.Add({"a", At(0)});
  EXPECT_EQ(NextPath(plan, At(0)), "a");
  plan.Add({"a", At(0)});
  EXPECT_EQ(NextPath(plan, At(1)), "");
  EXPECT_EQ(plan.NextDue(), std::nullopt);
  plan.Stored("a", V(1));
  EXPECT_EQ(NextPath(plan, At(1)), "a");
}

TEST(FilePlan, LooksTwiceAtWhatMayBeUnfinished) {
  FilePlan plan;
  plan.Add({"a", At(0), Fingerprint(V(1))});
  auto candidate = plan.Next(At(0));
  EXPECT_EQ(plan.Decide(*candidate, V(2), At(0), kWall), Look::kWait);
  EXPECT_EQ(plan.NextDue(), At(0) + kQuiet);
  candidate = plan.Next(At(0) + kQuiet);
  ASSERT_TRUE(candidate);
  EXPECT_EQ(plan.Decide(*candidate, V(2), At(2000), kWall), Look::kSend);
}

TEST(FilePlan, IsSureOnceTheFileWasClosed) {
  FilePlan plan;
  plan.Add({"a", At(0), Fingerprint(V(1))});
  plan.Add({"a", At(10)});
  plan.Add({"a", At(20), Fingerprint(V(3))});
  const auto candidate = plan.Next(At(10));
  ASSERT_TRUE(candidate);
  EXPECT_EQ(plan.Decide(*candidate, V(2), At(10), kWall), Look::kSend);
}

TEST(FilePlan, WaitsUntilTheClockOfTheFileHasMovedOn) {
  FilePlan plan;
  plan.Add({"a", At(0)});
  auto candidate = plan.Next(At(0));
  Version fresh = V(1);
  fresh.ctime_ns = kWall - 1'000'000;
  EXPECT_EQ(plan.Decide(*candidate, fresh, At(0), kWall), Look::kWait);
  candidate = plan.Next(At(0) + kClockTick);
  ASSERT_TRUE(candidate);
  EXPECT_EQ(plan.Decide(*candidate, fresh, At(30), kWall + 30'000'000),
            Look::kSend);
  plan.Stored("a", fresh);
  // A server's clock that is ahead holds nothing up.
  plan.Add({"a", At(40)});
  fresh.ctime_ns = kWall + 60'000'000'000;
  candidate = plan.Next(At(40));
  EXPECT_EQ(plan.Decide(*candidate, fresh, At(40), kWall), Look::kSend);
}

TEST(FilePlan, TriesAFileThatChangesABoundedNumberOfTimes) {
  FilePlan plan;
  plan.Add({"a", At(0)});
  Instant now = At(0);
  for (int i = 1; i < FilePlan::kMaxChanges; ++i) {
    ASSERT_EQ(NextPath(plan, now), "a") << i;
    ASSERT_TRUE(plan.Changed("a", now));
    ASSERT_GE(*plan.NextDue(), now + kFirstAgain);
    ASSERT_LE(*plan.NextDue(), now + kLastAgain);
    now = *plan.NextDue();
  }
  ASSERT_EQ(NextPath(plan, now), "a");
  EXPECT_FALSE(plan.Changed("a", now));
  EXPECT_TRUE(plan.IsIdle());
}

TEST(FilePlan, GivesUpAFileThatIsAlwaysFresh) {
  FilePlan plan;
  plan.Add({"a", At(0)});
  Look look = Look::kWait;
  int looks = 0;
  for (; look == Look::kWait; ++looks) {
    const Instant now = *plan.NextDue();
    const auto candidate = plan.Next(now);
    ASSERT_TRUE(candidate);
    Version fresh = V(1);
    fresh.ctime_ns = kWall;
    look = plan.Decide(*candidate, fresh, now, kWall);
  }
  EXPECT_EQ(look, Look::kUnstable);
  EXPECT_EQ(looks, FilePlan::kMaxChanges);
  EXPECT_TRUE(plan.IsIdle());
}

TEST(FilePlan, WaitsNoLongerForWhatIsSeenAgainAsItWas) {
  FilePlan plan;
  plan.Add({"a", At(1000), Fingerprint(V(1))});
  plan.Add({"a", At(2000), Fingerprint(V(1))});
  EXPECT_EQ(plan.NextDue(), At(1000));
  plan.Add({"a", At(2000), Fingerprint(V(2))});
  EXPECT_EQ(plan.NextDue(), At(2000));
}

TEST(FilePlan, SendsWhatMarksCompletenessLast) {
  FilePlan plan;
  plan.Add({"ckpt/.metadata", At(0)});
  plan.Add({"ckpt/0.distcp", At(0)});
  // Noticed before it: not to be waited for.
  EXPECT_EQ(NextPath(plan, At(0)), "ckpt/.metadata");
  plan.Stored("ckpt/.metadata", V(1));
  plan.Add({"x/model.index.json", At(0)});
  EXPECT_EQ(NextPath(plan, At(0)), "ckpt/0.distcp");
  EXPECT_EQ(NextPath(plan, At(0)), "");
  plan.Drop("ckpt/0.distcp");  // it is gone: nothing to wait for
  EXPECT_EQ(NextPath(plan, At(0)), "x/model.index.json");
}

TEST(FilePlan, HoldsAMarkerUntilAllBeforeItIsThere) {
  FilePlan plan;
  plan.Add({"shard0", At(0)});
  plan.Add({"shard1", At(0)});
  plan.Add({"latest", At(0)});
  plan.Add({"later", At(0)});
  EXPECT_EQ(NextPath(plan, At(0)), "shard0");
  EXPECT_EQ(NextPath(plan, At(0)), "shard1");
  EXPECT_EQ(NextPath(plan, At(0)), "later");
  EXPECT_EQ(NextPath(plan, At(0)), "") << "the shards are under way";
  EXPECT_EQ(plan.NextDue(), std::nullopt);
  plan.Stored("shard0", V(1));
  EXPECT_EQ(NextPath(plan, At(0)), "");
  plan.Again("shard1", At(5));
  EXPECT_EQ(NextPath(plan, At(0)), "");
  EXPECT_EQ(NextPath(plan, At(5)), "shard1");
  EXPECT_EQ(NextPath(plan, At(5)), "");
  plan.Stored("shard1", V(1));
  EXPECT_EQ(NextPath(plan, At(5)), "latest");
}

TEST(FilePlan, KnowsTheNamesThatMarkCompleteness) {
  EXPECT_TRUE(MarksCompleteness("outputs/step10/.metadata"));
  EXPECT_TRUE(MarksCompleteness("outputs/model.safetensors.index.json"));
  EXPECT_TRUE(MarksCompleteness("outputs/latest"));
  EXPECT_TRUE(MarksCompleteness("outputs/checkpoint"));
  EXPECT_FALSE(MarksCompleteness("outputs/latest/weights"));
  EXPECT_FALSE(MarksCompleteness("outputs/index.json.bak"));
}

TEST(FilePlan, SendsAgainWhatWasLostOnTheWay) {
  FilePlan plan;
  plan.Add({"a", At(0)});
  EXPECT_EQ(NextPath(plan, At(0)), "a");
  plan.Again("a", At(1));
  plan.Again("a", At(1));  // said twice
  EXPECT_EQ(NextPath(plan, At(1)), "a");
  EXPECT_EQ(NextPath(plan, At(1)), "");
  plan.Drop("a");
  EXPECT_TRUE(plan.IsIdle());
}

TEST(FilePlan, HoldsABoundedNumber) {
  FilePlan plan;
  for (size_t i = 0; i < FilePlan::kMaxWaiting; ++i) {
    ASSERT_TRUE(plan.Add({std::to_string(i), At(0)}));
  }
  EXPECT_FALSE(plan.Add({"one more", At(0)}));
  EXPECT_TRUE(plan.Add({"0", At(1)})) << "it waits already";
  plan.Next(At(0));
  EXPECT_TRUE(plan.Add({"one more", At(0)}));
}

TEST(FilePlan, HurriesAtTheEnd) {
  FilePlan plan;
  plan.Add({"a", At(5000)});
  plan.Add({"b", At(6000), Fingerprint(V(1))});
  plan.Hurry(At(1));
  const auto a = plan.Next(At(1));
  const auto b = plan.Next(At(1));
  ASSERT_TRUE(a && b);
  EXPECT_EQ(plan.Decide(*b, V(2), At(1), kWall), Look::kSend);
}

// Files that are rewritten at random, streams that break at random: in the end
// the collector has the last version of each, and got none twice in vain.
TEST(FilePlan, EndsWithTheLastVersionOfEveryFile) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&random](unsigned n) { return random() % n; };
    FilePlan plan;
    std::map<std::string, uint64_t> here;
    std::map<std::string, uint64_t> there;
    std::map<std::string, uint64_t> under_way;
    const std::vector<std::string> paths = {"a", "b", "latest", "c/.metadata",
                                            "d"};
    int now = 0;
    const auto change = [&] {
      const std::string& path = paths[pick(5)];
      ++here[path];
      plan.Add({path, At(now + static_cast<int>(pick(50)))});
    };
    const auto send = [&] {
      const auto candidate = plan.Next(At(now));
      if (!candidate) return;
      const uint64_t version = here[candidate->path];
      const Look look = plan.Decide(*candidate, V(version), At(now), kWall);
      if (look == Look::kKnown) {
        ASSERT_EQ(there[candidate->path], version);
      }
      if (look != Look::kSend) return;
      ASSERT_NE(there[candidate->path], version) << "sent twice";
      under_way[candidate->path] = version;
    };
    const auto answer = [&] {
      if (under_way.empty()) return;
      const auto one = *under_way.begin();
      under_way.erase(one.first);
      if (pick(3) == 0) return plan.Again(one.first, At(now));
      there[one.first] = one.second;
      plan.Stored(one.first, V(one.second));
    };
    for (int step = 0; step < 300; ++step, ++now) {
      const unsigned what = pick(3);
      if (what == 0) change();
      if (what == 1) {
        ASSERT_NO_FATAL_FAILURE(send()) << "seed " << seed;
      }
      if (what == 2) answer();
    }
    now += 1000;
    for (int step = 0; !plan.IsIdle(); ++step, ++now) {
      ASSERT_LT(step, 10'000) << "seed " << seed;
      ASSERT_NO_FATAL_FAILURE(send());
      answer();
    }
    EXPECT_EQ(there, here) << "seed " << seed;
  }
}

}  // namespace
}  // namespace muster::files
