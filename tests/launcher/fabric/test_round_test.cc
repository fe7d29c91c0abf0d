#include "launcher/fabric/test_round.h"

#include <algorithm>
#include <chrono>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/fabric/tested_node.h"
#include "launcher/fabric/timing.h"

namespace muster::fabric {
namespace {

using rendezvous::Moment;
using rendezvous::Outbox;
using rendezvous::Send;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr Moment kStart{rendezvous::Instant(std::chrono::hours(1)), 0};

// Group 1: node 0 and node 1; group 2: both GPUs of node 2, and node 3.
FabricRound Plan() {
  FabricRound plan;
  plan.set_round(7);
  plan.set_kind(FABRIC_NCCL);
  plan.set_hosts_apart(true);
  for (uint32_t id = 1; id <= 2; ++id) {
    FabricGroup& group = *plan.add_groups();
    group.set_id(id);
    group.set_connect_ms(2000);
    group.set_run_ms(3000 * id);
  }
  *plan.mutable_groups(0)->add_members() = SlotOf(0, 0);
  *plan.mutable_groups(0)->add_members() = SlotOf(1, 0);
  *plan.mutable_groups(1)->add_members() = SlotOf(2, 0);
  *plan.mutable_groups(1)->add_members() = SlotOf(2, 1);
  *plan.mutable_groups(1)->add_members() = SlotOf(3, 0);
  return plan;
}

TestRound RoundOf(const FabricRound& plan) {
  return TestRound(plan, {100, 101, 102, 103});
}

SlotResult Good(uint32_t group, uint32_t rank) {
  SlotResult result;
  result.set_group(group);
  result.set_rank(rank);
  result.mutable_measured()->set_best(0.5);
  return result;
}

SlotResult Bad(uint32_t group, uint32_t rank, FabricFailureKind kind) {
  SlotResult result;
  result.set_group(group);
  result.set_rank(rank);
  result.mutable_failed()->set_kind(kind);
  return result;
}

// Who is told to stop which group.
std::vector<std::pair<rendezvous::SessionId, uint32_t>> StopsOf(
    const Outbox& out) {
  std::vector<std::pair<rendezvous::SessionId, uint32_t>> stops;
  for (const Send& send : out) {
    EXPECT_TRUE(send.message.has_fabric_stop());
    stops.emplace_back(send.to, send.message.fabric_stop().group());
  }
  return stops;
}

TEST(TestRound, EachNodeIsToldOfItsOwnGroups) {
  TestRound round = RoundOf(Plan());
  const Outbox out = round.Start(kStart);
  ASSERT_EQ(out.size(), 4);
  for (const Send& send : out) {
    const FabricRound& share = send.message.fabric_round();
    EXPECT_EQ(share.round(), 7);
    EXPECT_EQ(share.kind(), FABRIC_NCCL);
    EXPECT_TRUE(share.hosts_apart());
    ASSERT_EQ(share.groups_size(), 1);
    EXPECT_EQ(share.groups(0).id(), send.to < 102 ? 1 : 2);
  }
}

TEST(TestRound, IsOverWithTheLastResult) {
  TestRound round = RoundOf(Plan());
  round.Start(kStart);
  EXPECT_THAT(round.Result(0, Good(1, 0)), IsEmpty());
  EXPECT_THAT(round.Result(1, Good(1, 1)), IsEmpty());
  EXPECT_THAT(round.Result(2, Good(2, 0)), IsEmpty());
  EXPECT_THAT(round.Result(2, Good(2, 1)), IsEmpty());
  EXPECT_FALSE(round.over());
  EXPECT_THAT(round.Result(3, Good(2, 2)), IsEmpty());
  EXPECT_TRUE(round.over());
  for (const GroupOutcome& outcome : round.outcomes()) {
    EXPECT_TRUE(outcome.passed());
  }
}

TEST(TestRound, WhereOneFailsTheOthersOfItsGroupAreStoppedOncePerNode) {
  TestRound round = RoundOf(Plan());
  round.Start(kStart);
  EXPECT_THAT(StopsOf(round.Result(3, Bad(2, 2, FABRIC_FAILURE_ERROR))),
              ElementsAre(std::pair(rendezvous::SessionId{102}, 2u)));
  // The other slot of that node is told again: it may have begun since.
  EXPECT_THAT(StopsOf(round.Result(2, Bad(2, 0, FABRIC_FAILURE_ABORTED))),
              ElementsAre(std::pair(rendezvous::SessionId{102}, 2u)));
  EXPECT_THAT(round.Result(2, Bad(2, 1, FABRIC_FAILURE_ABORTED)), IsEmpty());
  EXPECT_FALSE(round.outcomes()[1].passed());
  EXPECT_EQ(MostTelling(round.outcomes()[1]), 2);
}

TEST(TestRound, WrongDataStopsNobodySinceAllSeeIt) {
  TestRound round = RoundOf(Plan());
  round.Start(kStart);
  EXPECT_THAT(round.Result(0, Bad(1, 0, FABRIC_FAILURE_WRONG)), IsEmpty());
  round.Result(1, Good(1, 1));
  EXPECT_FALSE(round.outcomes()[0].passed());
}

TEST(TestRound, TheFirstResultOfASlotStays) {
  TestRound round = RoundOf(Plan());
  round.Start(kStart);
  round.Result(0, Good(1, 0));
  EXPECT_THAT(round.Result(0, Bad(1, 0, FABRIC_FAILURE_ERROR)), IsEmpty());
  round.Result(1, Good(1, 1));
  EXPECT_TRUE(round.outcomes()[0].passed());
}

TEST(TestRound, NobodySpeaksForAnothersSlotOrForNone) {
  TestRound round = RoundOf(Plan());
  round.Start(kStart);
  EXPECT_THAT(round.Result(1, Bad(1, 0, FABRIC_FAILURE_ERROR)), IsEmpty());
  EXPECT_THAT(round.Result(0, Good(9, 0)), IsEmpty());
  EXPECT_THAT(round.Result(0, Good(1, 2)), IsEmpty());
  EXPECT_THAT(round.Result(0, Good(1, UINT32_MAX)), IsEmpty());
  SlotResult empty = Good(1, 0);
  empty.clear_outcome();
  EXPECT_THAT(round.Result(0, empty), IsEmpty());
  for (const SlotResult& result : round.outcomes()[0].results) {
    EXPECT_EQ(result.outcome_case(), SlotResult::OUTCOME_NOT_SET);
  }
}

TEST(TestRound, TheSlotsOfALostNodeHaveFailed) {
  TestRound round = RoundOf(Plan());
  round.Start(kStart);
  round.Result(2, Good(2, 1));
  EXPECT_THAT(StopsOf(round.Lost(2, "its machine is gone")),
              ElementsAre(std::pair(rendezvous::SessionId{103}, 2u)));
  const SlotResult& lost = round.outcomes()[1].results[0];
  EXPECT_EQ(lost.failed().kind(), FABRIC_FAILURE_CRASHED);
  EXPECT_EQ(lost.failed().message(), "the node was lost: its machine is gone");
  EXPECT_TRUE(round.outcomes()[1].results[1].has_measured());
  EXPECT_THAT(round.Lost(2, "again"), IsEmpty());
}

TEST(TestRound, ValuesPassBetweenTheMembersOfAGroup) {
  TestRound round = RoundOf(Plan());
  round.Start(kStart);
  StoreRequest get;
  get.set_group(2);
  get.set_rank(2);
  get.set_key("id");
  get.set_get(true);
  EXPECT_THAT(round.Store(3, get), IsEmpty());
  StoreRequest put = get;
  put.set_rank(0);
  put.set_put("value");
  // Not another group's, nor in another's name, nor of nobody.
  put.set_group(1);
  EXPECT_THAT(round.Store(0, put), IsEmpty());
  put.set_group(2);
  EXPECT_THAT(round.Store(3, put), IsEmpty());
  for (const uint32_t rank : {3u, 1u << 31, UINT32_MAX}) {
    put.set_rank(rank);
    EXPECT_THAT(round.Store(2, put), IsEmpty());
  }
  put.set_rank(0);
  const Outbox out = round.Store(2, put);
  ASSERT_EQ(out.size(), 1);
  EXPECT_EQ(out[0].to, 103);
  EXPECT_EQ(out[0].message.store_value().rank(), 2);
  EXPECT_EQ(out[0].message.store_value().key(), "id");
  EXPECT_EQ(out[0].message.store_value().value(), "value");
}

TEST(TestRound, WhoSaysNothingHasStoppedOnceAllDeadlinesAreOver) {
  TestRound round = RoundOf(Plan());
  round.Start(kStart);
  round.Result(0, Good(1, 0));
  // The longest group's.
  const auto longest =
      std::chrono::milliseconds(2000 + 6000) + kProbesTurn + kAgentsTurn;
  Moment now = kStart;
  now.at += longest - std::chrono::milliseconds(1);
  EXPECT_THAT(round.Tick(now), IsEmpty());
  EXPECT_FALSE(round.over());
  now.at += std::chrono::milliseconds(1);
  round.Tick(now);
  EXPECT_TRUE(round.over());
  EXPECT_EQ(round.outcomes()[0].results[1].failed().kind(),
            FABRIC_FAILURE_STOPPED);
  EXPECT_THAT(round.Tick(now), IsEmpty());
}

TEST(MostTelling, TheOneNearestToTheCauseCounts) {
  const FabricFailureKind order[] = {
      FABRIC_FAILURE_NO_PROBE, FABRIC_FAILURE_CRASHED, FABRIC_FAILURE_STOPPED,
      FABRIC_FAILURE_WRONG,    FABRIC_FAILURE_MISSING, FABRIC_FAILURE_ERROR,
      FABRIC_FAILURE_TIMEOUT,  FABRIC_FAILURE_ABORTED};
  for (size_t i = 0; i < std::size(order); ++i) {
    for (size_t j = i + 1; j < std::size(order); ++j) {
      GroupOutcome outcome;
      outcome.results = {Good(1, 0), Bad(1, 1, order[j]), Bad(1, 2, order[i]),
                         Bad(1, 3, order[j])};
      EXPECT_EQ(MostTelling(outcome), 2) << FabricFailureKind_Name(order[i]);
    }
  }
}

}  // namespace
}  // namespace muster::fabric
