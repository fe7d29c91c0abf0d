#include "launcher/streams/handover.h"

#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/streams/sender.h"

namespace muster::streams {
namespace {

using testing::ElementsAre;

constexpr StreamId kOut = {.kind = STREAM_STDOUT, .rank = 0};
constexpr StreamId kErr = {.kind = STREAM_STDERR, .rank = 0};

// What a chunk holds, by stream.
void Unpack(const Chunk& chunk, std::map<StreamId, std::string>& streams) {
  for (absl::string_view payload = chunk.payload(); !payload.empty();) {
    const absl::StatusOr<Record> record = TakeRecord(payload);
    ASSERT_TRUE(record.ok());
    std::string& bytes = streams[record->stream];
    EXPECT_EQ(record->offset, bytes.size());
    bytes.append(record->bytes.data(), record->bytes.size());
  }
}

TEST(Handover, HandsOverEverythingInOrder) {
  int filled = 0;
  Handover handover(BufferPool(),
                    {.on_pause = [](bool) {}, .on_filled = [&] { ++filled; }});
  const std::string big = Noise(1'000'000);
  handover.AddData(kOut, 0, big);
  handover.AddData(kErr, 0, "oh");
  handover.AddData(kErr, 2, "");
  handover.AddEnd(kErr, 2, STREAM_END_CLOSED);
  EXPECT_EQ(filled, 1);
  std::map<StreamId, std::string> got;
  while (const std::optional<Chunk> chunk = handover.Take()) {
    Unpack(*chunk, got);
  }
  EXPECT_TRUE(got[kOut] == big);
  EXPECT_EQ(got[kErr], "oh");
  handover.AddData(kOut, big.size(), "");
  EXPECT_EQ(filled, 1);
  EXPECT_FALSE(handover.Take());
}

TEST(Handover, GathersSmallPiecesWhileTheOtherSideIsBusy) {
  Handover handover(BufferPool(),
                    {.on_pause = [](bool) {}, .on_filled = [] {}});
  for (uint64_t i = 0; i < 1000; ++i) handover.AddData(kOut, i, "x");
  const std::optional<Chunk> chunk = handover.Take();
  EXPECT_EQ(chunk->payload().size(), kRecordHeaderBytes + 1000);
  EXPECT_FALSE(handover.Take());
}

TEST(Handover, SaysWhenToPauseAndWhenToGoOn) {
  std::vector<bool> pauses;
  Handover handover(BufferPool(),
                    {.on_pause = [&](bool paused) { pauses.push_back(paused); },
                     .on_filled = [] {}});
  const std::string bytes(64 * 1024, 'x');
  uint64_t offset = 0;
  while (pauses.empty()) {
    handover.AddData(kOut, offset, bytes);
    offset += bytes.size();
    ASSERT_LE(offset, Handover::kBound);
  }
  EXPECT_GT(offset, Handover::kBound * 9 / 10);
  handover.AddData(kOut, offset, bytes);
  EXPECT_THAT(pauses, ElementsAre(true));
  uint64_t taken = 0;
  while (pauses.size() == 1) {
    const std::optional<Chunk> chunk = handover.Take();
    ASSERT_TRUE(chunk);
    taken += chunk->payload().size();
  }
  EXPECT_NEAR(static_cast<double>(taken), Handover::kBound / 2.0, 600'000);
  while (handover.Take()) continue;
  EXPECT_THAT(pauses, ElementsAre(true, false));
}

TEST(Handover, IsUsedByTwoThreads) {
  Handover handover(BufferPool(),
                    {.on_pause = [](bool) {}, .on_filled = [] {}});
  const std::string bytes = Noise(3'000'000);
  std::thread writer([&] {
    for (size_t at = 0; at < bytes.size(); at += 1000) {
      handover.AddData(kOut, at, absl::string_view(bytes).substr(at, 1000));
    }
  });
  std::map<StreamId, std::string> got;
  while (got[kOut].size() < bytes.size()) {
    const std::optional<Chunk> chunk = handover.Take();
    if (chunk) {
      Unpack(*chunk, got);
    } else {
      std::this_thread::yield();
    }
  }
  writer.join();
  EXPECT_TRUE(got[kOut] == bytes);
}

}  // namespace
}  // namespace muster::streams
