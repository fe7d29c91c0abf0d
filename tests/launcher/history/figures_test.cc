#include "launcher/history/figures.h"

#include "gtest/gtest.h"

namespace muster::history {
namespace {

TEST(Figures, BytesHaveTwoOrThreeDigitsAndAUnit) {
  EXPECT_EQ(ShownBytes(0), "0 B");
  EXPECT_EQ(ShownBytes(999), "999 B");
  EXPECT_EQ(ShownBytes(1500), "1.5 kB");
  EXPECT_EQ(ShownBytes(12'300), "12 kB");
  EXPECT_EQ(ShownBytes(999'900), "1.0 MB");
  EXPECT_EQ(ShownBytes(4'294'967'296), "4.3 GB");
  EXPECT_EQ(ShownBytes(UINT64_MAX), "18 EB");
}

TEST(Figures, DurationsHaveTwoUnits) {
  EXPECT_EQ(ShownDuration(absl::ZeroDuration()), "0ms");
  EXPECT_EQ(ShownDuration(absl::Milliseconds(20)), "20ms");
  EXPECT_EQ(ShownDuration(absl::Milliseconds(12'540)), "12.5s");
  EXPECT_EQ(ShownDuration(absl::Seconds(200)), "3m20s");
  EXPECT_EQ(ShownDuration(absl::Seconds(7500)), "2h05m");
  EXPECT_EQ(ShownDuration(absl::Hours(76)), "3d04h");
}

TEST(Figures, TimesAreInTheZoneOfTheReader) {
  EXPECT_EQ(ShownTime(absl::FromUnixSeconds(0), absl::UTCTimeZone()),
            "1970-01-01 00:00:00");
  EXPECT_EQ(ShownTime(absl::FromUnixSeconds(0), absl::FixedTimeZone(3600)),
            "1970-01-01 01:00:00");
}

TEST(Figures, RanksInARowAreOneRange) {
  EXPECT_EQ(ShownRanks({}), "");
  EXPECT_EQ(ShownRanks({4}), "4");
  EXPECT_EQ(ShownRanks({0, 1, 2, 3, 7, 9, 10}), "0-3, 7, 9-10");
}

}  // namespace
}  // namespace muster::history
