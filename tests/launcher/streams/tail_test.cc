#include "launcher/streams/tail.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::streams {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(StderrTail, IsEmptyAtFirst) {
  StderrTail tail;
  EXPECT_EQ(tail.bytes(), "");
  EXPECT_THAT(tail.LastLines(5), IsEmpty());
}

TEST(StderrTail, GivesTheLastLinesWithoutTheirEnds) {
  StderrTail tail;
  tail.Append("one\ntwo\r\n\nth");
  tail.Append("ree");
  EXPECT_THAT(tail.LastLines(9), ElementsAre("one", "two", "", "three"));
  EXPECT_THAT(tail.LastLines(2), ElementsAre("", "three"));
  EXPECT_THAT(tail.LastLines(0), IsEmpty());
  tail.Append("\n");
  EXPECT_THAT(tail.LastLines(1), ElementsAre("three"));
}

TEST(StderrTail, KeepsOddBytesAndEmptyLines) {
  StderrTail tail;
  tail.Append(absl::string_view("\0\xff\n", 3));
  EXPECT_THAT(tail.LastLines(3), ElementsAre(std::string("\0\xff", 2)));
  tail.Append("\n");
  EXPECT_THAT(tail.LastLines(3), ElementsAre(std::string("\0\xff", 2), ""));
}

TEST(StderrTail, KeepsTheLast8KiBHoweverTheyCome) {
  std::string all;
  for (int i = 0; i < 20'000; ++i) all += std::to_string(i) + "\n";
  const std::string last = all.substr(all.size() - StderrTail::kKept);
  for (const size_t step : {1, 7, 5000, 8192, 9000, 1 << 20}) {
    StderrTail tail;
    for (size_t at = 0; at < all.size(); at += step) {
      tail.Append(absl::string_view(all).substr(at, step));
    }
    EXPECT_EQ(tail.bytes(), last) << step;
    EXPECT_THAT(tail.LastLines(2), ElementsAre("19998", "19999"));
  }
}

}  // namespace
}  // namespace muster::streams
