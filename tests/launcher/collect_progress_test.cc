#include "launcher/collect_progress.h"

#include <chrono>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::launcher {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kMiB = 1 << 20;

class CollectProgressTest : public ::testing::Test {
 protected:
  CollectProgress Begin(bool is_terminal) {
    return {
        is_terminal,
        begin_,
        2 * kMiB,
        {.show = [this](const std::string& text) { shown_.push_back(text); },
         .log = [this](const std::string& text) { log_.push_back(text); }}};
  }

  const CollectProgress::Instant begin_{seconds(1000)};
  std::vector<std::string> shown_;
  std::vector<std::string> log_;
};

TEST_F(CollectProgressTest, IsRedrawnOnceASecondOnATerminal) {
  CollectProgress progress = Begin(true);
  progress.Update(begin_ + milliseconds(1999), {4 * kMiB, 5 * kMiB, true});
  EXPECT_THAT(shown_, IsEmpty()) << "a fast collector is not talked about";
  progress.Update(begin_ + seconds(2), {6 * kMiB, 3 * kMiB, true});
  progress.Update(begin_ + milliseconds(2500), {7 * kMiB, 2 * kMiB, true});
  progress.Update(begin_ + seconds(3), {7 * kMiB, 2 * kMiB, false});
  EXPECT_THAT(shown_, ElementsAre("collecting: 6.0 MiB sent, 3.0 MiB waiting, "
                                  "2.0 MiB/s",
                                  "collecting: 7.0 MiB sent, 2.0 MiB waiting, "
                                  "1023 KiB/s; the collector does not answer"));
  EXPECT_THAT(log_, IsEmpty());
}

TEST_F(CollectProgressTest, IsLoggedNowAndThenWhereThereIsNoTerminal) {
  CollectProgress progress = Begin(false);
  for (int second = 1; second <= 60; ++second) {
    progress.Update(begin_ + seconds(second), {2 * kMiB, 100, false});
  }
  const std::string line =
      "collecting: 2.0 MiB sent, 100 bytes waiting, 0 bytes/s; the collector "
      "does not answer";
  EXPECT_THAT(log_, ElementsAre(line, line));
  EXPECT_THAT(shown_, IsEmpty());
}

TEST_F(CollectProgressTest, ACountThatFallsHasNoRate) {
  CollectProgress progress = Begin(true);
  progress.Update(begin_ + seconds(2), {kMiB, 0, true});
  EXPECT_THAT(shown_, ElementsAre("collecting: 1.0 MiB sent, 0 bytes waiting, "
                                  "0 bytes/s"));
}

}  // namespace
}  // namespace muster::launcher
