// Members that find each other, and those that do not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "tests/launcher/fabric/gloo/probes.h"

namespace muster::fabric {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

// Whether so many members published in time.
bool HavePublished(Probes& probes, const FabricGroup& group, size_t members) {
  return probes.RunUntil([&] { return probes.Published(group) == members; });
}

TEST(Connect, AMemberThatNeverComesIsMissing) {
  Probes probes(3);
  FabricGroup group = probes.Group(1);
  group.set_connect_ms(300);
  probes.Start(group, {0, 2});
  for (const int rank : {0, 2}) {
    const SlotResult result = probes.Result(group, rank);
    EXPECT_EQ(result.failed().kind(), FABRIC_FAILURE_MISSING);
    EXPECT_EQ(result.failed().stage(), FABRIC_STAGE_CONNECT);
    EXPECT_TRUE(result.failed().has_peer());
    EXPECT_EQ(result.failed().peer(), 1u);
    EXPECT_EQ(result.failed().message(),
              "node1 (rank 1) did not come within 300 ms");
  }
}

TEST(Connect, APeerThatIsKilledIsNamed) {
  Probes probes(2);
  FabricGroup group = probes.Group(1);
  group.set_connect_ms(2000);
  probes.Withhold(true);
  probes.Start(group);
  ASSERT_TRUE(HavePublished(probes, group, 2));
  probes.Kill(1);
  probes.Withhold(false);
  // The one with the higher port connects and is refused, the other one waits.
  const SlotResult result = probes.Result(group, 0);
  EXPECT_THAT(result.failed().kind(),
              AnyOf(FABRIC_FAILURE_ERROR, FABRIC_FAILURE_TIMEOUT));
  EXPECT_EQ(result.failed().stage(), FABRIC_STAGE_CONNECT);
  EXPECT_TRUE(result.failed().has_peer());
  EXPECT_EQ(result.failed().peer(), 1u);
  EXPECT_THAT(result.failed().message(), HasSubstr("node1 (rank 1)"));
}

TEST(Connect, APeerThatStandsStillRunsIntoADeadline) {
  Probes probes(2);
  FabricGroup group = probes.Group(1);
  group.set_connect_ms(2000);
  group.set_run_ms(500);
  probes.Withhold(true);
  probes.Start(group);
  ASSERT_TRUE(HavePublished(probes, group, 2));
  probes.Signal(1, SIGSTOP);
  probes.Withhold(false);
  // The kernel connects for it; what comes then depends on who connects.
  const SlotResult result = probes.Result(group, 0);
  EXPECT_EQ(result.failed().kind(), FABRIC_FAILURE_TIMEOUT);
  EXPECT_THAT(result.failed().message(), HasSubstr("node1 (rank 1)"));
}

TEST(Connect, IsStoppedAtOnceAndTheProbeGoesOn) {
  Probes probes(2);
  FabricGroup group = probes.Group(1);
  // Waits for what nobody publishes.
  probes.Start(group, {0});
  ASSERT_TRUE(HavePublished(probes, group, 1));
  probes.Stop(group, 0);
  const SlotResult result = probes.Result(group, 0);
  EXPECT_EQ(result.failed().kind(), FABRIC_FAILURE_ABORTED);
  EXPECT_EQ(result.failed().stage(), FABRIC_STAGE_CONNECT);

  // Waits for a connection, or the first reduction, of one that stands still.
  group = probes.Group(2);
  probes.Withhold(true);
  probes.Start(group);
  ASSERT_TRUE(HavePublished(probes, group, 2));
  probes.Signal(1, SIGSTOP);
  probes.Withhold(false);
  probes.Stop(group, 0);
  EXPECT_EQ(probes.Result(group, 0).failed().kind(), FABRIC_FAILURE_ABORTED);
  probes.Signal(1, SIGCONT);
  probes.Stop(group, 1);
  probes.Result(group, 1);

  group = probes.Group(3);
  probes.Start(group);
  EXPECT_TRUE(probes.Result(group, 0).has_measured());
  EXPECT_TRUE(probes.Result(group, 1).has_measured());
}

TEST(Connect, StopsOfOtherGroupsMeanNothing) {
  Probes probes(2);
  const FabricGroup group = probes.Group(1);
  probes.Start(group, {0});
  probes.Stop(probes.Group(99), 0);
  probes.Start(group, {1});
  EXPECT_TRUE(probes.Result(group, 0).has_measured());
}

}  // namespace
}  // namespace muster::fabric
