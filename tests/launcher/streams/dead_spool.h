// The spool of an agent that died.
#ifndef MUSTER_TESTS_LAUNCHER_STREAMS_DEAD_SPOOL_H_
#define MUSTER_TESTS_LAUNCHER_STREAMS_DEAD_SPOOL_H_

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/framing/frame.h"
#include "launcher/streams/spool.h"
#include "launcher/streams/spool_directory.h"
#include "tests/launcher/collector/files.h"
#include "tests/launcher/streams/sender.h"

namespace muster::streams {

// The spool of an agent that died, and what is delivered of it.
class DeadSpoolTest : public testing::Test {
 protected:
  static constexpr StreamId kOut = {.kind = STREAM_STDOUT, .rank = 0};
  static constexpr StreamId kErr = {.kind = STREAM_STDERR, .rank = 0};

  // Five segments of 128 KiB, each a dozen frames of both streams. `ends`:
  // the streams were ended.
  void WriteSpool(bool ends, uint32_t seed = 0) {
    std::filesystem::remove_all(base_ / "spools");
    written_.clear();
    std::mt19937 random(seed);
    const auto spool = *Spool::Create(
        {.base = base_ / "spools", .bound = Spool::kLeastBound}, {});
    path_ = spool->path();
    while (spool->segments().list().size() < 5) {
      Chunk chunk;
      for (const StreamId stream : {kOut, kErr, kOut}) {
        const std::string bytes = Noise(1 + random() % 6'000, random());
        chunk.AddData(stream, written_[stream].size(), bytes);
        written_[stream] += bytes;
      }
      ASSERT_EQ(spool->Append(chunk.payload(), {}), Spool::Appended::kYes);
    }
    if (!ends) return;
    Chunk chunk;
    for (const auto& [stream, bytes] : written_) {
      chunk.AddEnd(stream, bytes.size(), STREAM_END_CLOSED);
    }
    spool->Append(chunk.payload(), {});
  }

  std::string File(int number) const {
    return path_ + "/" + SegmentName(static_cast<uint64_t>(number));
  }

  // Sends all that can be read.
  void Deliver() {
    ledger_ = Ledger();
    const absl::StatusOr<std::unique_ptr<SpoolDirectory>> opened =
        SpoolDirectory::OpenDead(path_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    Segments segments((*opened)->fd());
    ASSERT_TRUE(segments.Scan().ok());
    Sender sender(segments, ledger_);
    sender.Connect();
    sender.SendAll();
    damaged_ = sender.reader().damaged();
    sender.SettleAsDead();
  }

  void Change(const std::string& file,
              const std::function<void(std::string&)>& change) {
    std::string bytes = collector::ReadFile(file);
    change(bytes);
    collector::WriteFile(file, bytes);
  }

  // Where the frames of a file are.
  std::vector<std::pair<size_t, size_t>> Frames(const std::string& file) {
    const std::string bytes = collector::ReadFile(file);
    const uint64_t identity = framing::DecodeFileHeader(bytes)->identity;
    std::vector<std::pair<size_t, size_t>> frames;
    size_t at = framing::kFileHeaderBytes;
    while (at < bytes.size()) {
      const framing::Frame frame = framing::DecodeFrame(
          identity, at, absl::string_view(bytes).substr(at));
      if (frame.state != framing::Frame::State::kWhole) break;
      frames.emplace_back(at, frame.size);
      at += frame.size;
    }
    return frames;
  }

  void ExpectNoGaps() {
    for (const auto& [stream, bytes] : written_) {
      EXPECT_EQ(Compare(bytes, ledger_.Get(stream)), "");
      EXPECT_THAT(ledger_.Get(stream).gaps, testing::IsEmpty());
    }
  }

  collector::TempDir base_;
  std::string path_;
  std::map<StreamId, std::string> written_;
  Ledger ledger_;
  bool damaged_ = false;
};

}  // namespace muster::streams

#endif  // MUSTER_TESTS_LAUNCHER_STREAMS_DEAD_SPOOL_H_
