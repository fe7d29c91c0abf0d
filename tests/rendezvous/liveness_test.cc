#include "rendezvous/liveness.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/rendezvous/fixtures.h"

namespace muster::rendezvous {
namespace {

using test::At;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(Liveness, NamesTheSilentOnceAndOnlyThem) {
  Liveness liveness(std::chrono::seconds(5));
  liveness.Heard(1, At(0).at);
  liveness.Heard(2, At(0).at);
  for (int ms = 0; ms <= 5000; ms += 500) {
    liveness.Heard(2, At(ms).at);
    EXPECT_THAT(liveness.Silent(At(ms).at), IsEmpty()) << ms;
  }
  EXPECT_THAT(liveness.Silent(At(5001).at), ElementsAre(1u));
  EXPECT_THAT(liveness.Silent(At(5002).at), IsEmpty());
}

TEST(Liveness, BlamesNobodyForItsOwnSleep) {
  Liveness liveness(std::chrono::seconds(5));
  liveness.Heard(1, At(0).at);
  liveness.Silent(At(100).at);
  EXPECT_THAT(liveness.Silent(At(60'000).at), IsEmpty());
  EXPECT_THAT(liveness.Silent(At(62'000).at), IsEmpty());
  EXPECT_THAT(liveness.Silent(At(64'000).at), IsEmpty());
  EXPECT_THAT(liveness.Silent(At(65'500).at), ElementsAre(1u));
}

TEST(Liveness, ForgetsWhoLeft) {
  Liveness liveness(std::chrono::seconds(5));
  liveness.Heard(1, At(0).at);
  liveness.Silent(At(4000).at);
  liveness.Forget(1);
  EXPECT_THAT(liveness.Silent(At(6000).at), IsEmpty());
}

}  // namespace
}  // namespace muster::rendezvous
