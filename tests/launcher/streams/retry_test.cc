#include "launcher/streams/retry.h"

#include <algorithm>

#include "gtest/gtest.h"

namespace muster::streams {
namespace {

using grpc::StatusCode;

TEST(IsWorthRetrying, AsTheProtocolHasIt) {
  using grpc::StatusCode;
  for (const StatusCode code :
       {StatusCode::UNAVAILABLE, StatusCode::RESOURCE_EXHAUSTED,
        StatusCode::ALREADY_EXISTS, StatusCode::CANCELLED,
        StatusCode::DEADLINE_EXCEEDED, StatusCode::UNKNOWN,
        StatusCode::NOT_FOUND, StatusCode::DATA_LOSS}) {
    EXPECT_TRUE(IsWorthRetrying(code)) << code;
  }
  for (const StatusCode code :
       {StatusCode::INVALID_ARGUMENT, StatusCode::PERMISSION_DENIED,
        StatusCode::ABORTED, StatusCode::INTERNAL, StatusCode::UNIMPLEMENTED,
        StatusCode::UNAUTHENTICATED}) {
    EXPECT_FALSE(IsWorthRetrying(code)) << code;
  }
}

TEST(Backoff, GrowsUntilSomethingWasTaken) {
  Backoff backoff(1);
  Backoff::Milliseconds full = Backoff::kFirst;
  for (int i = 0; i < 10; ++i) {
    const Backoff::Milliseconds pause = backoff.Next(StatusCode::UNAVAILABLE);
    EXPECT_GE(pause, full / 2);
    EXPECT_LE(pause, full);
    EXPECT_FALSE(backoff.is_for_a_run());
    full = std::min(2 * full, Backoff::kLast);
  }
  EXPECT_EQ(full, Backoff::kLast);
  backoff.Reset();
  EXPECT_LE(backoff.Next(StatusCode::UNAVAILABLE), Backoff::kFirst);
}

TEST(Backoff, ARunThatIsAboutToBeMadeIsAskedForOftenAndNotForEver) {
  Backoff backoff(1);
  for (int i = 0; i < Backoff::kTriesForARun; ++i) {
    EXPECT_LE(backoff.Next(StatusCode::NOT_FOUND), Backoff::kForARun);
    EXPECT_TRUE(backoff.is_for_a_run());
  }
  EXPECT_GE(backoff.Next(StatusCode::NOT_FOUND), Backoff::kFirst / 2);
  EXPECT_FALSE(backoff.is_for_a_run());
}

}  // namespace
}  // namespace muster::streams
