#include "launcher/streams/spool.h"

#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/streams/spool_fixture.h"

namespace muster::streams {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

namespace fs = std::filesystem;

constexpr StreamId kOut = {.kind = STREAM_STDOUT, .rank = 2};
constexpr StreamId kErr = {.kind = STREAM_STDERR, .rank = 2};

TEST_F(SpoolTest, IsOnesOwnAndSaysWhoseItIs) {
  Create();
  struct stat base;
  struct stat found;
  ASSERT_EQ(stat((base_ / "spools").c_str(), &base), 0);
  ASSERT_EQ(stat(spool_->path().c_str(), &found), 0);
  EXPECT_EQ(base.st_mode & 07777u, 0700u);
  EXPECT_EQ(found.st_mode & 07777u, 0700u);
  EXPECT_THAT(spool_->path(), HasSubstr("spools/run-1.node7.0."));
  SpoolManifest manifest;
  ASSERT_TRUE(manifest.ParseFromString(
      collector::ReadFile(spool_->path() + "/manifest")));
  EXPECT_EQ(manifest.version(), 1u);
  EXPECT_EQ(manifest.introduction().node_rank(), 7u);
  for (const auto& entry : fs::directory_iterator(spool_->path())) {
    ASSERT_EQ(stat(entry.path().c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 07777u, 0600u) << entry.path();
  }
}

TEST_F(SpoolTest, GivesBackWhatItWasGiven) {
  Create();
  Append(kOut, Noise(100'000));
  Append(kErr, "oh");
  Append(kOut, Noise(50'000, 1));
  End(kErr);
  End(kOut, STREAM_END_ABANDONED);
  SendAll();
  EXPECT_EQ(Compare(written_[kOut], ledger_.Get(kOut)), "");
  EXPECT_EQ(Compare(written_[kErr], ledger_.Get(kErr)), "");
  EXPECT_EQ(ledger_.Get(kOut).how, STREAM_END_ABANDONED);
  EXPECT_EQ(ledger_.Get(kErr).how, STREAM_END_CLOSED);
  EXPECT_THAT(ledger_.Get(kOut).gaps, IsEmpty());
  ASSERT_TRUE(spool_->Remove().ok());
  EXPECT_TRUE(fs::is_empty(base_ / "spools"));
}

TEST_F(SpoolTest, RemovesSegmentsWhenAllInThemIsAcknowledged) {
  Create();
  for (int i = 0; i < 100; ++i) Append(kOut, Noise(200'000, i));
  EXPECT_THAT(SegmentFiles(), 3u);
  sender_ = std::make_unique<Sender>(spool_->segments(), ledger_, 64u << 20);
  sender_->Connect();
  std::optional<LogPosition> position;
  while (sender_->reader().position().segment < 3) {
    ASSERT_TRUE(sender_->SendOne());
  }
  position = sender_->Acknowledge();
  ASSERT_TRUE(position);
  spool_->Release(*position);
  EXPECT_THAT(SegmentFiles(), 1u);
  while (sender_->SendOne()) continue;
  EXPECT_EQ(Compare(written_[kOut], ledger_.Get(kOut)), "");
}

TEST_F(SpoolTest, DropsTheOldestAtItsBoundAndTheGapIsExact) {
  Create({.bound = 4 << 20});
  for (int i = 0; i < 60; ++i) {
    EXPECT_EQ(Append(kOut, Noise(200'000, i)), Appended::kYes);
    EXPECT_LE(OnDisk(), (4u << 20) + 4096);
  }
  EXPECT_GT(spool_->dropped_segments(), 0u);
  End(kOut);
  SendAll();
  const Stored stored = ledger_.Get(kOut);
  EXPECT_EQ(Compare(written_[kOut], stored), "");
  ASSERT_THAT(stored.gaps, SizeIs(1));
  EXPECT_EQ(stored.gaps[0].offset, 0u);
  EXPECT_EQ(stored.gaps[0].reason, GAP_SPOOL_FULL);
  EXPECT_GT(stored.bytes.size(), 3u << 20);
  EXPECT_EQ(stored.how, STREAM_END_CLOSED);
}

TEST_F(SpoolTest, DropsWhileItIsReadAndTheGapIsInTheMiddle) {
  Create({.bound = 4 << 20});
  Append(kOut, Noise(200'000, 0));
  sender_->Connect();
  while (sender_->SendOne()) continue;
  for (int i = 1; i < 60; ++i) Append(kOut, Noise(200'000, i));
  const std::optional<LogPosition> position = sender_->SendAll();
  ASSERT_TRUE(position);
  const Stored stored = ledger_.Get(kOut);
  EXPECT_EQ(Compare(written_[kOut], stored), "");
  ASSERT_THAT(stored.gaps, SizeIs(1));
  EXPECT_EQ(stored.gaps[0].offset, 200'000u);
  EXPECT_EQ(stored.gaps[0].reason, GAP_SPOOL_FULL);
}

TEST_F(SpoolTest, KeepsTheEndsOfStreamsWhoseBytesWereDropped) {
  Create({.bound = 1 << 20});
  Append(kErr, "last words");
  End(kErr, STREAM_END_ABANDONED);
  for (int i = 0; i < 20; ++i) Append(kOut, Noise(200'000, i));
  SendAll();
  const Stored stored = ledger_.Get(kErr);
  EXPECT_THAT(stored.gaps, testing::ElementsAre(Gap{0, 10, GAP_SPOOL_FULL}));
  EXPECT_EQ(stored.how, STREAM_END_ABANDONED);
}

TEST_F(SpoolTest, TakesNothingAtItsBoundWhereItMustNotDrop) {
  Create({.bound = 1 << 20, .full = SpoolFull::kBlock});
  int taken = 0;
  while (Append(kOut, Noise(100'000, taken)) == Appended::kYes) ++taken;
  EXPECT_EQ(taken, 10);
  EXPECT_EQ(Append(kErr, Noise(100'000)), Appended::kFull);
  SendAll();
  EXPECT_EQ(Append(kOut, Noise(100'000, taken)), Appended::kYes);
  SendAll();
  EXPECT_EQ(Compare(written_[kOut], ledger_.Get(kOut)), "");
  EXPECT_THAT(ledger_.Get(kOut).gaps, IsEmpty());
}

TEST_F(SpoolTest, ForgetsStreamsThatAreAcknowledgedToTheirEnd) {
  Create();
  Append(kOut, "x");
  End(kErr);
  EXPECT_THAT(spool_->States(), SizeIs(2));
  SendAll();
  ASSERT_THAT(spool_->States(), SizeIs(1));
  EXPECT_EQ(spool_->States()[0], (StreamState{.stream = kOut, .offset = 1}));
}

TEST_F(SpoolTest, IsNotMadeWhereOthersCouldExchangeIt) {
  fs::create_directory(base_ / "shared");
  ASSERT_EQ(chmod((base_ / "shared").c_str(), 0777), 0);
  const auto spool = Spool::Create({.base = base_ / "shared"}, Manifest());
  EXPECT_TRUE(absl::IsFailedPrecondition(spool.status())) << spool.status();
  EXPECT_THAT(std::string(spool.status().message()),
              HasSubstr("others may write there; give --spool-dir another"));
  ASSERT_EQ(chmod((base_ / "shared").c_str(), 01777), 0);
  EXPECT_TRUE(Spool::Create({.base = base_ / "shared"}, Manifest()).ok());
}

TEST_F(SpoolTest, IsNotMadeInAFile) {
  collector::WriteFile(base_ / "file", "");
  const auto spool = Spool::Create({.base = base_ / "file"}, Manifest());
  EXPECT_THAT(std::string(spool.status().message()),
              HasSubstr("Not a directory; give --spool-dir another"));
}

// Appends, ends, acknowledgements, crashes of the collector and the bound, all
// mixed: at the end everything is there or in a gap.
TEST_F(SpoolTest, LosesNothingSilentlyWhateverHappensInWhateverOrder) {
  for (uint32_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&](uint32_t n) {
      return static_cast<uint32_t>(random() % n);
    };
    const bool small = seed % 2 == 0;
    ledger_ = Ledger();
    written_.clear();
    Create({.bound = small ? Spool::kLeastBound : uint64_t{1} << 30});
    sender_ = std::make_unique<Sender>(spool_->segments(), ledger_,
                                       uint64_t{1} << (10 + below(12)));
    sender_->Connect();
    std::map<StreamId, StreamEnd> ended;
    for (int step = 0; step < 300; ++step) {
      const StreamId stream = {.kind = below(2) ? STREAM_STDOUT : STREAM_STDERR,
                               .rank = below(3)};
      switch (below(8)) {
        case 0:
        case 1:
        case 2:
          if (ended.contains(stream)) break;
          EXPECT_EQ(
              Append(stream, Noise(1 + below(1u << (1 + below(17))), random())),
              Appended::kYes);
          break;
        case 3:
        case 4:
          for (uint32_t i = below(5); i > 0; --i) sender_->SendOne();
          break;
        case 5: {
          const std::optional<LogPosition> position = sender_->Acknowledge();
          if (position) spool_->Release(*position);
          break;
        }
        case 6:
          if (below(4) == 0) {
            ledger_.Forget();
            sender_->Connect();
          }
          break;
        case 7:
          if (below(20) == 0 && !ended.contains(stream)) {
            ended[stream] = STREAM_END_CLOSED;
            End(stream);
          }
          break;
      }
      EXPECT_TRUE(!small || OnDisk() <= Spool::kLeastBound + 4096);
    }
    ledger_.Forget();
    for (const auto& [stream, bytes] : written_) {
      if (!ended.contains(stream)) End(stream);
    }
    SendAll();
    for (const auto& [stream, bytes] : written_) {
      const Stored stored = ledger_.Get(stream);
      EXPECT_EQ(Compare(bytes, stored), "");
      EXPECT_EQ(stored.how, STREAM_END_CLOSED);
      if (!small) {
        EXPECT_THAT(stored.gaps, IsEmpty());
      }
    }
    ASSERT_TRUE(spool_->Remove().ok());
  }
}

}  // namespace
}  // namespace muster::streams
