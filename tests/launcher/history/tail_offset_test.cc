#include "launcher/history/tail_offset.h"

#include <string>

#include "gtest/gtest.h"
#include "launcher/history/display_lines.h"

namespace muster::history {
namespace {

std::string Tail(const std::string& log, uint32_t lines) {
  const absl::StatusOr<uint64_t> offset =
      TailOffset(log.size(), lines, [&](uint64_t at, size_t size) {
        EXPECT_LE(at + size, log.size());
        return absl::StatusOr<std::string>(log.substr(at, size));
      });
  EXPECT_TRUE(offset.ok());
  return log.substr(*offset);
}

TEST(TailOffset, CountsLinesFromTheEnd) {
  EXPECT_EQ(Tail("a\nb\nc\n", 0), "");
  EXPECT_EQ(Tail("a\nb\nc\n", 1), "c\n");
  EXPECT_EQ(Tail("a\nb\nc\n", 2), "b\nc\n");
  EXPECT_EQ(Tail("a\nb\nc\n", 3), "a\nb\nc\n");
  EXPECT_EQ(Tail("a\nb\nc\n", 9), "a\nb\nc\n");
  EXPECT_EQ(Tail("", 5), "");
}

TEST(TailOffset, ALastLineWithoutAnEndCounts) {
  EXPECT_EQ(Tail("a\nb\nc", 1), "c");
  EXPECT_EQ(Tail("a\nb\nc", 2), "b\nc");
  EXPECT_EQ(Tail("a", 1), "a");
}

TEST(TailOffset, EmptyLinesAreLines) { EXPECT_EQ(Tail("a\n\n\n", 2), "\n\n"); }

TEST(TailOffset, FramesOfAProgressBarAreLinesAndDosLinesAreOne) {
  EXPECT_EQ(Tail("a\n10%\r20%\r30%\r", 2), "20%\r30%\r");
  EXPECT_EQ(Tail("a\r\nb\r\nc\r\n", 2), "b\r\nc\r\n");
}

TEST(TailOffset, ReadsInBlocksWhoseEndsDoNotMatter) {
  std::string log;
  for (int i = 0; i < 60000; ++i) log += std::to_string(i) + "\r\n";
  std::string expected;
  for (int i = 30000; i < 60000; ++i) expected += std::to_string(i) + "\r\n";
  EXPECT_EQ(Tail(log, 30000), expected);
}

TEST(TailOffset, AWholeGigabyteWithoutAnEndIsNotReadForOneLine) {
  uint64_t read = 0;
  const absl::StatusOr<uint64_t> offset =
      TailOffset(1 << 30, 2, [&](uint64_t, size_t size) {
        read += size;
        return absl::StatusOr<std::string>(std::string(size, 'x'));
      });
  ASSERT_TRUE(offset.ok());
  EXPECT_EQ(*offset, (1 << 30) - 2 * kMaxDisplayLine);
  EXPECT_LE(read, 4 * kMaxDisplayLine);
}

TEST(TailOffset, AReadErrorIsSaid) {
  EXPECT_EQ(TailOffset(10, 1,
                       [](uint64_t, size_t) -> absl::StatusOr<std::string> {
                         return absl::InternalError("the disk");
                       })
                .status()
                .message(),
            "the disk");
}

}  // namespace
}  // namespace muster::history
