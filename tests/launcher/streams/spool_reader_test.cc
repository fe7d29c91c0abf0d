#include "launcher/streams/spool_reader.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/streams/dead_spool.h"

namespace muster::streams {
namespace {

using collector::ReadFile;
using collector::WriteFile;
using testing::HasSubstr;
using testing::SizeIs;

namespace fs = std::filesystem;

class SpoolReaderTest : public DeadSpoolTest {};

TEST_F(SpoolReaderTest, ReadsWhatADeadAgentLeft) {
  WriteSpool(true);
  Deliver();
  ExpectNoGaps();
  EXPECT_FALSE(damaged_);
  EXPECT_EQ(ledger_.Get(kOut).how, STREAM_END_CLOSED);
}

TEST_F(SpoolReaderTest, EndsStreamsThatTheirAgentCouldNot) {
  WriteSpool(false);
  Deliver();
  ExpectNoGaps();
  EXPECT_EQ(ledger_.Get(kOut).how, STREAM_END_AGENT_DIED);
}

TEST_F(SpoolReaderTest, TakesATornTailForTheDeathThatItIs) {
  WriteSpool(true);
  const auto [at, size] = Frames(File(5)).back();
  for (size_t left = size; left-- > 0;) {
    fs::resize_file(File(5), at + left);
    Deliver();
    ExpectNoGaps();
    EXPECT_FALSE(damaged_);
    EXPECT_EQ(ledger_.Get(kOut).how, STREAM_END_AGENT_DIED);
  }
}

TEST_F(SpoolReaderTest, LosesOneFrameToOneFlippedBit) {
  WriteSpool(true);
  const auto frames = Frames(File(3));
  const auto [at, size] = frames[4];
  const std::string whole = ReadFile(File(3));
  for (size_t i = 0; i < size; i += i < 64 ? 1 : 97) {
    Change(File(3), [&](std::string& bytes) {
      bytes = whole;
      bytes[at + i] = static_cast<char>(bytes[at + i] ^ 0x10);
    });
    Deliver();
    for (const auto& [stream, bytes] : written_) {
      const Stored stored = ledger_.Get(stream);
      EXPECT_EQ(Compare(bytes, stored), "") << i;
      ASSERT_THAT(stored.gaps, SizeIs(1)) << i;
      EXPECT_EQ(stored.gaps[0].reason, GAP_CORRUPT);
      EXPECT_LT(stored.gaps[0].length, 12'001u);
      EXPECT_EQ(stored.how, STREAM_END_CLOSED);
    }
  }
}

TEST_F(SpoolReaderTest, LosesWhatIsZeroedOrCutOffAndNothingElse) {
  WriteSpool(true);
  const auto frames = Frames(File(2));
  const std::string whole = ReadFile(File(2));
  const size_t from = frames[3].first + 5;
  const size_t to = frames[6].first + 5;
  for (const bool zeroed : {true, false}) {
    Change(File(2), [&](std::string& bytes) {
      bytes = whole;
      if (zeroed) {
        std::fill(bytes.begin() + from, bytes.begin() + to, '\0');
      } else {
        bytes.resize(from);
      }
    });
    Deliver();
    for (const auto& [stream, bytes] : written_) {
      const Stored stored = ledger_.Get(stream);
      EXPECT_EQ(Compare(bytes, stored), "");
      ASSERT_THAT(stored.gaps, SizeIs(1));
      EXPECT_EQ(stored.gaps[0].reason, GAP_CORRUPT);
      EXPECT_EQ(stored.how, STREAM_END_CLOSED);
    }
  }
}

TEST_F(SpoolReaderTest, ReadsFramesBehindAHeaderThatIsHalfThere) {
  WriteSpool(true);
  Change(File(2), [](std::string& bytes) { bytes[5] = 77; });
  Deliver();
  ExpectNoGaps();
  EXPECT_TRUE(damaged_);
}

TEST_F(SpoolReaderTest, LosesASegmentWhoseIdentityIsLost) {
  WriteSpool(true);
  Change(File(2), [](std::string& bytes) { bytes[12] ^= 1; });
  Deliver();
  for (const auto& [stream, bytes] : written_) {
    EXPECT_EQ(Compare(bytes, ledger_.Get(stream)), "");
    ASSERT_THAT(ledger_.Get(stream).gaps, SizeIs(1));
    EXPECT_EQ(ledger_.Get(stream).gaps[0].reason, GAP_CORRUPT);
  }
}

TEST_F(SpoolReaderTest, TellsAMissingSegmentFromADroppedOne) {
  WriteSpool(true);
  fs::remove(File(3));
  Deliver();
  EXPECT_EQ(Compare(written_[kOut], ledger_.Get(kOut)), "");
  ASSERT_THAT(ledger_.Get(kOut).gaps, SizeIs(1));
  EXPECT_EQ(ledger_.Get(kOut).gaps[0].reason, GAP_SPOOL_ERROR);
  fs::remove(File(1));
  fs::remove(File(2));
  Deliver();
  EXPECT_EQ(Compare(written_[kOut], ledger_.Get(kOut)), "");
  ASSERT_THAT(ledger_.Get(kOut).gaps, SizeIs(1));
  EXPECT_EQ(ledger_.Get(kOut).gaps[0].offset, 0u);
  EXPECT_EQ(ledger_.Get(kOut).gaps[0].reason, GAP_SPOOL_FULL);
}

TEST_F(SpoolReaderTest, LosesASegmentThatItMayNotOpen) {
  WriteSpool(true);
  const std::string bytes = ReadFile(File(3));
  fs::remove(File(3));
  fs::create_directory(base_ / "elsewhere");
  fs::create_symlink("/proc/self/mem", File(3));
  Deliver();
  EXPECT_EQ(Compare(written_[kOut], ledger_.Get(kOut)), "");
  ASSERT_THAT(ledger_.Get(kOut).gaps, SizeIs(1));
  EXPECT_EQ(ledger_.Get(kOut).gaps[0].reason, GAP_SPOOL_ERROR);
}

TEST_F(SpoolReaderTest, PassesOverWhatIsNotTheSpools) {
  WriteSpool(true);
  WriteFile(path_ + "/core.1234", "x");
  WriteFile(path_ + "/1.segment", "x");
  WriteFile(path_ + "/0000000000.segment", "x");
  WriteFile(path_ + "/0000000003.segment.bak", "x");
  WriteFile(path_ + "/99999999999999999999.segment", "x");
  WriteFile(path_ + "/0000000009.segment", std::string(300'000, 'x'));
  WriteFile(path_ + "/0000000010.segment", "");
  WriteFile(path_ + "/4000000000.segment", "mstr");
  fs::create_directory(path_ + "/0000000011.segment");
  Deliver();
  ExpectNoGaps();
  EXPECT_EQ(ledger_.Get(kOut).how, STREAM_END_CLOSED);
}

TEST_F(SpoolReaderTest, IsNotTakenInByTheFramesOfAnotherSegment) {
  WriteSpool(true);
  // A copy under a later name, and bytes of one segment inside of another.
  fs::copy_file(File(2), File(9));
  Change(File(4), [&](std::string& bytes) {
    const std::string other = ReadFile(File(2));
    bytes.replace(1'000, 20'000, other, 1'000, 20'000);
  });
  Deliver();
  for (const auto& [stream, bytes] : written_) {
    EXPECT_EQ(Compare(bytes, ledger_.Get(stream)), "");
    EXPECT_THAT(ledger_.Get(stream).gaps, SizeIs(1));
  }
}

TEST_F(SpoolReaderTest, LeavesWhatAnotherVersionWroteAlone) {
  WriteSpool(true);
  SpoolManifest manifest;
  ASSERT_TRUE(manifest.ParseFromString(ReadFile(path_ + "/manifest")));
  manifest.set_version(2);
  manifest.set_muster_version("7.0");
  WriteFile(path_ + "/manifest", manifest.SerializeAsString());
  const absl::Status status = SpoolDirectory::OpenDead(path_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("written by muster 7.0 in layout 2, and this muster "
                        "knows layout 1; send it with that version"));
}

TEST_F(SpoolReaderTest, SaysThatAManifestIsDamaged) {
  WriteSpool(true);
  for (const char* const bytes : {"", "\xff\xff\xff"}) {
    WriteFile(path_ + "/manifest", bytes);
    const absl::Status status = SpoolDirectory::OpenDead(path_).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  }
  EXPECT_TRUE(fs::exists(File(1)));
}

TEST_F(SpoolReaderTest, LeavesASpoolAloneWhoseAgentLives) {
  const auto spool = *Spool::Create({.base = base_ / "spools"}, {});
  EXPECT_TRUE(
      absl::IsUnavailable(SpoolDirectory::OpenDead(spool->path()).status()));
}

TEST_F(SpoolReaderTest, RemovesASpoolThatDiedBeforeItHadAManifest) {
  WriteSpool(false);
  fs::remove_all(path_);
  fs::create_directory(path_);
  WriteFile(path_ + "/lock", "");
  WriteFile(path_ + "/manifest.new", "x");
  EXPECT_TRUE(absl::IsNotFound(SpoolDirectory::OpenDead(path_).status()));
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(SpoolReaderTest, ReadsALogWhileItGrows) {
  const auto spool = *Spool::Create({.base = base_ / "spools"}, {});
  Sender sender(spool->segments(), ledger_);
  sender.Connect();
  for (int i = 0; i < 200; ++i) {
    Chunk chunk;
    const std::string bytes = Noise(100'000, static_cast<uint64_t>(i));
    chunk.AddData(kOut, written_[kOut].size(), bytes);
    written_[kOut] += bytes;
    ASSERT_EQ(spool->Append(chunk.payload(), {}), Spool::Appended::kYes);
    EXPECT_TRUE(sender.SendOne());
    EXPECT_FALSE(sender.SendOne());
    const std::optional<LogPosition> position = sender.Acknowledge();
    ASSERT_TRUE(position);
    spool->Release(*position);
  }
  ExpectNoGaps();
}

}  // namespace
}  // namespace muster::streams
