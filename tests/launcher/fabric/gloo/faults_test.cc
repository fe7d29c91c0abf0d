// What goes wrong below the probe, brought in by tests/support/gloo_faults.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <string>

#include "tests/launcher/fabric/gloo/probes.h"

namespace muster::fabric {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

// Probes of node0, node1, ... on addresses of their own.
ProbeOptions WithFault(const std::string& fault) {
  return {.address_of =
              [](int probe) { return "127.0.0." + std::to_string(10 + probe); },
          .environment =
              [fault](int probe) {
                return std::map<std::string, std::string>{
                    {"LD_PRELOAD", MUSTER_GLOO_FAULTS},
                    {"MUSTER_PROBE", "node" + std::to_string(probe) + "/0"},
                    {"MUSTER_FAULT", fault},
                    {"MUSTER_FAULT_HOSTS",
                     "node0=127.0.0.10,node1=127.0.0.11,node2=127.0.0.12,"
                     "node3=127.0.0.13"}};
              }};
}

class Faults : public ::testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer must be loaded before what brings in faults";
#endif
  }
};

TEST_F(Faults, WrongDataOfANodeIsSeenByAllMembers) {
  Probes probes(3, WithFault("wrong@node1"));
  const FabricGroup group = probes.Group(1);
  probes.Start(group);
  for (int rank = 0; rank < 3; ++rank) {
    const SlotResult result = probes.Result(group, rank);
    EXPECT_EQ(result.failed().kind(), FABRIC_FAILURE_WRONG);
    EXPECT_EQ(result.failed().stage(), FABRIC_STAGE_CHECK);
    EXPECT_GE(result.failed().wrong(), 1u);
    EXPECT_THAT(result.failed().message(), HasSubstr("instead of"));
  }
  const FabricGroup others = probes.Group(2, {0, 2});
  probes.Start(others);
  EXPECT_TRUE(probes.Result(others, 0).has_measured());
  EXPECT_TRUE(probes.Result(others, 1).has_measured());
}

TEST_F(Faults, WrongDataOfALinkIsSeenOnThatLinkOnly) {
  Probes probes(3, WithFault("wrong@node0-node2"));
  uint32_t id = 1;
  for (const std::vector<int>& pair :
       std::vector<std::vector<int>>{{0, 1}, {0, 2}, {2, 1}, {2, 0}}) {
    const FabricGroup group = probes.Group(id++, pair);
    const bool hit = pair[0] + pair[1] == 2;
    probes.Start(group);
    for (int rank = 0; rank < 2; ++rank) {
      EXPECT_EQ(probes.Result(group, rank).failed().kind(),
                hit ? FABRIC_FAILURE_WRONG : FABRIC_FAILURE_UNSPECIFIED);
    }
  }
}

// Seconds for a byte, by the slowest member.
double Pace(Probes* probes, const FabricGroup& group) {
  probes->Start(group);
  double pace = 0;
  for (const int rank : {0, 1}) {
    const FabricMeasurement& measured = probes->Result(group, rank).measured();
    pace =
        std::max(pace, measured.best() / static_cast<double>(measured.bytes()));
  }
  return pace;
}

TEST_F(Faults, SlownessShows) {
  Probes probes(4, WithFault("slow@node0-node1:100"));
  const double slowed = Pace(&probes, probes.Group(1, {0, 1}));
  const double normal = Pace(&probes, probes.Group(2, {1, 2}));
  EXPECT_GT(slowed, 5 * normal);
}

TEST_F(Faults, ALinkThatDoesNotConnectTimesOut) {
  Probes probes(2, WithFault("hang-init@node1-node0"));
  FabricGroup group = probes.Group(1);
  group.set_connect_ms(500);
  probes.Start(group);
  for (const int rank : {0, 1}) {
    const SlotResult result = probes.Result(group, rank);
    EXPECT_EQ(result.failed().kind(), FABRIC_FAILURE_TIMEOUT);
    EXPECT_EQ(result.failed().stage(), FABRIC_STAGE_CONNECT);
    EXPECT_EQ(result.failed().peer(), static_cast<uint32_t>(1 - rank));
  }
}

TEST_F(Faults, ALinkThatRefusesIsAnErrorOfOneSide) {
  Probes probes(2, WithFault("error@node1-node0"));
  FabricGroup group = probes.Group(1);
  group.set_connect_ms(500);
  probes.Start(group);
  int refused = 0;
  for (const int rank : {0, 1}) {
    const FabricFailure failure = probes.Result(group, rank).failed();
    EXPECT_THAT(failure.kind(),
                AnyOf(FABRIC_FAILURE_ERROR, FABRIC_FAILURE_TIMEOUT));
    EXPECT_EQ(failure.peer(), static_cast<uint32_t>(1 - rank));
    if (failure.kind() != FABRIC_FAILURE_ERROR) continue;
    ++refused;
    EXPECT_THAT(failure.message(), HasSubstr("Connection refused"));
  }
  EXPECT_EQ(refused, 1);
}

TEST_F(Faults, AReductionThatNeverEndsTimesOutAndTheProbeGoesOn) {
  Probes probes(3, WithFault("hang-run@node0-node1"));
  FabricGroup group = probes.Group(1, {0, 1});
  group.set_run_ms(500);
  probes.Start(group);
  for (const int rank : {0, 1}) {
    const FabricFailure failure = probes.Result(group, rank).failed();
    EXPECT_EQ(failure.kind(), FABRIC_FAILURE_TIMEOUT);
    EXPECT_EQ(failure.stage(), FABRIC_STAGE_RUN);
  }
  group = probes.Group(2, {2, 0});
  probes.Start(group);
  EXPECT_TRUE(probes.Result(group, 0).has_measured());
  EXPECT_TRUE(probes.Result(group, 1).has_measured());
}

TEST_F(Faults, AProbeThatCannotLetGoEndsForTheNextTask) {
  Probes probes(2, WithFault("hang-init@node1"));
  FabricGroup group = probes.Group(1);
  group.set_connect_ms(300);
  probes.Start(group);
  EXPECT_EQ(probes.Result(group, 0).failed().kind(), FABRIC_FAILURE_MISSING);
  EXPECT_EQ(probes.Result(group, 1).failed().kind(), FABRIC_FAILURE_TIMEOUT);
  group = probes.Group(2);
  probes.Start(group, {1});
  EXPECT_EQ(probes.End(1), test::Code(70));
}

TEST_F(Faults, ACrashInTheReductionIsThePeersError) {
  Probes probes(2, WithFault("crash@node0:run"));
  const FabricGroup group = probes.Group(1);
  probes.Start(group);
  EXPECT_EQ(probes.End(0), test::Killed(SIGSEGV));
  const SlotResult result = probes.Result(group, 1);
  EXPECT_EQ(result.failed().kind(), FABRIC_FAILURE_ERROR);
  EXPECT_EQ(result.failed().peer(), 0u);
}

TEST_F(Faults, AnErrorOfOnesOwnNamesNobody) {
  Probes probes(2, WithFault("error-run@node0:7,no more"));
  const FabricGroup group = probes.Group(1);
  probes.Start(group);
  const SlotResult result = probes.Result(group, 0);
  EXPECT_EQ(result.failed().kind(), FABRIC_FAILURE_ERROR);
  EXPECT_FALSE(result.failed().has_peer());
  EXPECT_THAT(result.failed().message(), HasSubstr("error 7,no more"));
  EXPECT_FALSE(probes.HasResult(group, 1));
  probes.Stop(group, 1);
  EXPECT_EQ(probes.Result(group, 1).failed().kind(), FABRIC_FAILURE_ABORTED);
}

}  // namespace
}  // namespace muster::fabric
