#include "launcher/duration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace muster::launcher {
namespace {

using ::testing::HasSubstr;

TEST(Duration, ReadsEveryUnitThatPeopleWrite) {
  EXPECT_EQ(*ParseDuration("500ms", Zero::kRefused), absl::Milliseconds(500));
  EXPECT_EQ(*ParseDuration("30s", Zero::kRefused), absl::Seconds(30));
  EXPECT_EQ(*ParseDuration("10m", Zero::kRefused), absl::Minutes(10));
  EXPECT_EQ(*ParseDuration("1h", Zero::kRefused), absl::Hours(1));
  EXPECT_EQ(*ParseDuration("1h30m", Zero::kRefused), absl::Minutes(90));
  EXPECT_EQ(*ParseDuration("1.5s", Zero::kRefused), absl::Milliseconds(1500));
  EXPECT_EQ(*ParseDuration("720h", Zero::kRefused), absl::Hours(720));
}

TEST(Duration, ZeroIsTakenOnlyWhereItMakesSense) {
  EXPECT_EQ(*ParseDuration("0s", Zero::kAllowed), absl::ZeroDuration());
  EXPECT_FALSE(ParseDuration("0s", Zero::kRefused).ok());
  EXPECT_FALSE(ParseDuration("0", Zero::kRefused).ok());
}

TEST(Duration, RefusesAllElseAndSaysWhatIsRight) {
  for (const char* text :
       {"", "30", "s", "-5s", "+5s", "inf", "ten", "5 s", "5s ", "1us", "10ns",
        "1.0005s", "721h", "999999999999999h", "5x", "1m-30s"}) {
    const auto read = ParseDuration(text, Zero::kAllowed);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(read.status().message(),
              "must be a duration such as 500ms, 30s, 10m or 1h, from 0s to "
              "720h");
  }
  EXPECT_THAT(ParseDuration("0s", Zero::kRefused).status().message(),
              HasSubstr("from 1ms to 720h"));
}

TEST(Duration, WhatAbseilWritesIsReadBack) {
  for (const int milliseconds : {1, 999, 1000, 1500, 90000, 3600001}) {
    const absl::Duration duration = absl::Milliseconds(milliseconds);
    EXPECT_EQ(*ParseDuration(absl::FormatDuration(duration), Zero::kRefused),
              duration);
  }
}

TEST(Duration, IsShownWithAsManyDigitsAsPeopleNeed) {
  EXPECT_EQ(ShortDuration(absl::ZeroDuration()), "0");
  EXPECT_EQ(ShortDuration(absl::Milliseconds(3)), "under 100ms");
  EXPECT_EQ(ShortDuration(absl::Milliseconds(12345)), "12.3s");
  EXPECT_EQ(ShortDuration(absl::Milliseconds(72345)), "1m12s");
  EXPECT_EQ(ShortDuration(absl::Hours(3)), "3h");
}

}  // namespace
}  // namespace muster::launcher
