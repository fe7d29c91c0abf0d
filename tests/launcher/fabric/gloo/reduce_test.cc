// Groups of real probes that reduce, and what happens when one of them does not
// go on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <utility>
#include <vector>

#include "tests/launcher/fabric/gloo/probes.h"

namespace muster::fabric {
namespace {

using ::testing::HasSubstr;

// Reduces until the test has had its way.
FabricGroup LongGroup(const Probes& probes, uint32_t id,
                      std::vector<int> members = {}) {
  FabricGroup group = probes.Group(id, std::move(members));
  group.set_measure_ms(15'000);
  return group;
}

// On a busy machine a large reduction may not fit into the time.
void ExpectMeasured(const SlotResult& result, const FabricGroup& group) {
  ASSERT_TRUE(result.has_measured()) << result.ShortDebugString();
  EXPECT_GE(result.measured().bytes(), std::min<uint64_t>(group.bytes(), 4096));
  EXPECT_LE(result.measured().bytes(), group.bytes());
  EXPECT_GT(result.measured().best(), 0);
  EXPECT_GE(result.measured().median(), result.measured().best());
  EXPECT_GE(result.measured().samples(), 1u);
}

class Healthy : public ::testing::TestWithParam<int> {};

TEST_P(Healthy, MembersReduceExactly) {
  Probes probes(GetParam());
  const FabricGroup group = probes.Group(7);
  probes.Start(group);
  for (int rank = 0; rank < GetParam(); ++rank) {
    const SlotResult result = probes.Result(group, rank);
    ExpectMeasured(result, group);
    EXPECT_GT(result.measured().connect_seconds(), 0);
    EXPECT_EQ(result.measured().network(), "Socket");
    EXPECT_EQ(result.log(), "");
  }
}

INSTANTIATE_TEST_SUITE_P(Group, Healthy, ::testing::Values(2, 3, 8));

TEST(Reduce, TakesSizesThatDoNotDivideAmongTheMembers) {
  Probes probes(3);
  uint32_t id = 1;
  for (const uint64_t bytes : {4, 8, 20, 4 * 1001, 4 * 262'147}) {
    FabricGroup group = probes.Group(id++);
    group.set_bytes(bytes);
    probes.Start(group);
    for (int rank = 0; rank < 3; ++rank) {
      ExpectMeasured(probes.Result(group, rank), group);
    }
  }
}

TEST(Reduce, GroupsThatShareNoProbeRunAtOnce) {
  Probes probes(4);
  const FabricGroup one = probes.Group(1, {0, 3});
  const FabricGroup other = probes.Group(2, {2, 1});
  probes.Start(one);
  probes.Start(other);
  for (int rank = 0; rank < 2; ++rank) {
    ExpectMeasured(probes.Result(one, rank), one);
    ExpectMeasured(probes.Result(other, rank), other);
  }
}

TEST(Reduce, ANodeAloneTestsItsMemory) {
  Probes probes(1);
  const FabricGroup group = probes.Group(1);
  probes.Start(group);
  ExpectMeasured(probes.Result(group, 0), group);
}

TEST(Reduce, ReachesOverIpv6) {
  Probes probes(2, {.address = "::1"});
  if (probes.broken(0)) GTEST_SKIP() << "this machine has no IPv6";
  const FabricGroup group = probes.Group(1);
  probes.Start(group);
  ExpectMeasured(probes.Result(group, 0), group);
  ExpectMeasured(probes.Result(group, 1), group);
}

TEST(Reduce, APeerThatIsKilledIsNamedByAllAndNobodyElseIs) {
  // In a ring of five, not all wait for that one; and those that do answer, and
  // wait for nobody any more, while others wait for them.
  Probes probes(5);
  const FabricGroup group = LongGroup(probes, 1);
  probes.Start(group);
  ASSERT_TRUE(probes.Reach(group, FABRIC_STAGE_RUN));
  probes.Kill(1);
  for (const int rank : {0, 2, 3, 4}) {
    const SlotResult result = probes.Result(group, rank);
    EXPECT_EQ(result.failed().kind(), FABRIC_FAILURE_ERROR);
    EXPECT_EQ(result.failed().stage(), FABRIC_STAGE_RUN);
    EXPECT_TRUE(result.failed().has_peer());
    EXPECT_EQ(result.failed().peer(), 1u);
    EXPECT_THAT(result.failed().message(), HasSubstr("node1 (rank 1)"));
  }
}

TEST(Reduce, WhoRunsIntoADeadlineLooksToNobodyLikeADeath) {
  // One of these is first, and its connections stay.
  Probes probes(6);
  FabricGroup group = LongGroup(probes, 1);
  group.set_run_ms(1500);
  probes.Start(group);
  ASSERT_TRUE(probes.Reach(group, FABRIC_STAGE_RUN));
  probes.Signal(4, SIGSTOP);
  for (const int rank : {0, 1, 2, 3, 5}) {
    EXPECT_EQ(probes.Result(group, rank).failed().kind(),
              FABRIC_FAILURE_TIMEOUT);
  }
}

TEST(Reduce, APeerThatStandsStillRunsIntoTheDeadline) {
  Probes probes(2);
  FabricGroup group = LongGroup(probes, 1);
  group.set_run_ms(1500);
  probes.Start(group);
  ASSERT_TRUE(probes.Reach(group, FABRIC_STAGE_RUN));
  probes.Signal(1, SIGSTOP);
  const SlotResult result = probes.Result(group, 0);
  EXPECT_EQ(result.failed().kind(), FABRIC_FAILURE_TIMEOUT);
  EXPECT_EQ(result.failed().stage(), FABRIC_STAGE_RUN);
  EXPECT_THAT(result.failed().message(), HasSubstr("within 1500 ms"));
  EXPECT_THAT(result.failed().message(), HasSubstr("node1 (rank 1)"));
  // It was not itself that failed.
  probes.Signal(1, SIGCONT);
  EXPECT_EQ(probes.Result(group, 1).failed().kind(), FABRIC_FAILURE_TIMEOUT);
}

TEST(Reduce, IsStoppedAtOnce) {
  Probes probes(2);
  const FabricGroup group = LongGroup(probes, 1);
  probes.Start(group);
  ASSERT_TRUE(probes.Reach(group, FABRIC_STAGE_RUN));
  probes.Stop(group, 0);
  const SlotResult result = probes.Result(group, 0);
  EXPECT_EQ(result.failed().kind(), FABRIC_FAILURE_ABORTED);
  EXPECT_EQ(result.failed().stage(), FABRIC_STAGE_RUN);
  probes.Stop(group, 1);
  EXPECT_EQ(probes.Result(group, 1).failed().kind(), FABRIC_FAILURE_ABORTED);
}

TEST(Reduce, AProbeIsAsGoodAsNewAfterEveryFailure) {
  Probes probes(4);
  FabricGroup group = LongGroup(probes, 1, {0, 1, 2});
  probes.Start(group);
  ASSERT_TRUE(probes.Reach(group, FABRIC_STAGE_RUN));
  probes.Kill(2);
  probes.Result(group, 0);
  probes.Result(group, 1);

  group = LongGroup(probes, 2, {1, 0, 3});
  probes.Start(group);
  ASSERT_TRUE(probes.Reach(group, FABRIC_STAGE_RUN));
  for (int rank = 0; rank < 3; ++rank) probes.Stop(group, rank);
  for (int rank = 0; rank < 3; ++rank) probes.Result(group, rank);

  group = LongGroup(probes, 3, {0, 3, 1});
  group.set_run_ms(500);
  probes.Start(group);
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(probes.Result(group, rank).failed().kind(),
              FABRIC_FAILURE_TIMEOUT);
  }

  group = probes.Group(4, {3, 1, 0});
  probes.Start(group);
  for (int rank = 0; rank < 3; ++rank) {
    ExpectMeasured(probes.Result(group, rank), group);
  }
}

}  // namespace
}  // namespace muster::fabric
