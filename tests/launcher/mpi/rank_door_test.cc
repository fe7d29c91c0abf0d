#include "launcher/mpi/rank_door.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::mpi {
namespace {

using testing::HasSubstr;

// Node 1 with ranks 2, 3 and 4.
RankDoor Door() {
  return RankDoor(
      {.node_rank = 1, .host_name = "beta", .first_rank = 2, .workers = 3});
}

muster::RankEnded Code(uint32_t code) {
  muster::RankEnded status;
  status.set_exit_code(code);
  return status;
}

muster::RankEnded Signal(uint32_t signo) {
  muster::RankEnded status;
  status.set_signal(signo);
  return status;
}

TEST(RankDoor, LetsEachRankOfTheNodeInOnce) {
  RankDoor door = Door();
  EXPECT_TRUE(door.Enter(10, 2).ok());
  EXPECT_TRUE(door.Enter(11, 4).ok());
  const absl::Status again = door.Enter(12, 4);
  EXPECT_EQ(again.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(again.message()), HasSubstr("rank 4"));
}

TEST(RankDoor, TurnsRanksOfOtherNodesAwayAndSaysWhoseThisNodesAre) {
  RankDoor door = Door();
  for (const uint32_t rank : {0u, 1u, 5u, 0xffff'ffffu}) {
    const absl::Status refused = door.Enter(10, rank);
    EXPECT_EQ(refused.code(), absl::StatusCode::kOutOfRange) << rank;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("node 1 (beta)"));
    EXPECT_THAT(std::string(refused.message()), HasSubstr("ranks 2-4"));
    EXPECT_THAT(std::string(refused.message()), HasSubstr("--mpi-arg"));
  }
}

TEST(RankDoor, LetsNobodyInOnceClosed) {
  RankDoor door = Door();
  door.Close();
  EXPECT_EQ(door.Enter(10, 2).code(), absl::StatusCode::kUnavailable);
}

TEST(RankDoor, AnswersASuccessAtOnce) {
  RankDoor door = Door();
  ASSERT_TRUE(door.Enter(10, 2).ok());
  const auto answer = door.Ended(2, Code(0));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->peer, 10u);
  EXPECT_EQ(answer->status.exit_code(), 0u);
}

TEST(RankDoor, KeepsAFailureFromMpirunUntilTheRelease) {
  RankDoor door = Door();
  ASSERT_TRUE(door.Enter(10, 2).ok());
  ASSERT_TRUE(door.Enter(11, 3).ok());
  ASSERT_TRUE(door.Enter(12, 4).ok());
  EXPECT_FALSE(door.Ended(2, Code(3)));
  EXPECT_FALSE(door.Ended(3, Signal(11)));

  const std::vector<RankDoor::Answer> answers = door.Release();
  ASSERT_EQ(answers.size(), 2u);  // rank 4 runs on
  EXPECT_EQ(answers[0].peer, 10u);
  EXPECT_EQ(answers[0].status.exit_code(), 3u);
  EXPECT_EQ(answers[1].peer, 11u);
  EXPECT_EQ(answers[1].status.signal(), 11u);

  const auto late = door.Ended(4, Code(1));
  ASSERT_TRUE(late);
  EXPECT_EQ(late->peer, 12u);
  EXPECT_EQ(door.Enter(13, 2).code(), absl::StatusCode::kUnavailable);
}

TEST(RankDoor, HasNobodyToTellOfARankWhoseShimNeverCame) {
  RankDoor door = Door();
  EXPECT_FALSE(door.Ended(2, Code(0)));
  EXPECT_TRUE(door.Release().empty());
}

}  // namespace
}  // namespace muster::mpi
