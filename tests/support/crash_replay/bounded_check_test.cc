#include "tests/support/crash_replay/bounded_check.h"

#include <signal.h>
#include <unistd.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;

TEST(BoundedCheck, TellsWhatTheCheckTells) {
  const std::string much(200'000, 'x');
  EXPECT_EQ(RunBounded([&] { return much; }, absl::Seconds(20)), much);
  EXPECT_EQ(RunBounded([] { return std::string(); }, absl::Seconds(20)), "");
}

TEST(BoundedCheck, TellsThatTheCheckDied) {
  EXPECT_THAT(RunBounded(
                  [] {
                    raise(SIGKILL);
                    return std::string();
                  },
                  absl::Seconds(20)),
              HasSubstr("died of signal 9"));
  EXPECT_THAT(RunBounded([]() -> std::string { _exit(3); }, absl::Seconds(20)),
              HasSubstr("ended with 3"));
}

TEST(BoundedCheck, EndsOneThatDoesNotEnd) {
  EXPECT_THAT(RunBounded(
                  [] {
                    while (true) pause();
                    return std::string();
                  },
                  absl::Milliseconds(50)),
              HasSubstr("not over within 50ms"));
}

}  // namespace
}  // namespace muster::test
