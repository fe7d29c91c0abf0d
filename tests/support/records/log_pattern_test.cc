#include "tests/support/records/log_pattern.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace muster::test {
namespace {

std::string Part(const LogPattern& pattern, uint64_t offset, size_t size) {
  std::string bytes(size, '\0');
  pattern.Fill(offset, bytes.data(), size);
  return bytes;
}

class EveryKind : public ::testing::TestWithParam<std::string> {
 protected:
  LogPattern Pattern(uint32_t rank = 3, int fd = 1) const {
    return LogPattern({.kind = *LogKindOf(GetParam()), .rank = rank, .fd = fd});
  }
};

TEST_P(EveryKind, IsTheSameHoweverItIsCutUp) {
  const LogPattern pattern = Pattern();
  const std::string whole = Part(pattern, 0, 1000);
  for (const size_t step : {1, 7, 80, 100, 333}) {
    std::string pieces;
    while (pieces.size() < whole.size()) {
      pieces += Part(pattern, pieces.size(),
                     std::min(step, whole.size() - pieces.size()));
    }
    EXPECT_EQ(pieces, whole) << step;
  }
}

TEST_P(EveryKind, HasNoTwoCellsThatAreTheSame) {
  std::set<std::string> cells;
  for (const uint32_t rank : {0, 1, 300}) {
    for (const int fd : {1, 2}) {
      const LogPattern pattern = Pattern(rank, fd);
      for (uint64_t number = 0; number < 200; ++number) {
        cells.insert(
            Part(pattern, number * pattern.cell_bytes(), pattern.cell_bytes()));
      }
    }
  }
  EXPECT_EQ(cells.size(), 3 * 2 * 200);
}

INSTANTIATE_TEST_SUITE_P(LogPattern, EveryKind,
                         ::testing::ValuesIn(LogKindNames()),
                         [](const auto& kind) { return kind.param; });

TEST(LogPattern, HasNewlinesOnlyWhereTheKindHasThem) {
  EXPECT_EQ(Part(LogPattern({.kind = LogKind::kSolid}), 0, 1 << 20).find('\n'),
            std::string::npos);
  EXPECT_EQ(
      Part(LogPattern({.kind = LogKind::kProgress}), 0, 1 << 20).find('\n'),
      std::string::npos);
  EXPECT_NE(Part(LogPattern({.kind = LogKind::kNul}), 0, 80).find('\0'),
            std::string::npos);
  EXPECT_NE(Part(LogPattern({.kind = LogKind::kEscape}), 0, 80).find('\x1b'),
            std::string::npos);
}

TEST(LogRecord, TellsWhatItIs) {
  const LogPattern pattern({.rank = 17, .fd = 2, .record_bytes = 200});
  const std::optional<LogRecord> record = ParseRecord(Part(pattern, 4000, 200));
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->rank, 17);
  EXPECT_EQ(record->fd, 2);
  EXPECT_EQ(record->number, 20);
  EXPECT_EQ(record->bytes, 200);
}

TEST(LogRecord, OfWhichAnyByteIsAlteredIsNone) {
  const std::string whole = Part(LogPattern({.rank = 17}), 0, 100);
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string altered = whole;
    altered[at] ^= 1;
    EXPECT_FALSE(ParseRecord(altered).has_value()) << at;
    EXPECT_FALSE(ParseRecord(whole.substr(0, at)).has_value()) << at;
  }
}

TEST(LogRecord, CanBeAsSmallAndAsLargeAsIsSaid) {
  for (const size_t size : {kMinRecordBytes, kMaxRecordBytes}) {
    const LogPattern pattern({.record_bytes = size});
    EXPECT_TRUE(ParseRecord(Part(pattern, size, size)).has_value()) << size;
  }
}

}  // namespace
}  // namespace muster::test
