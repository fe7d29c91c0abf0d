// Probes that are well, on pretended GPUs.
#include <signal.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/fabric/nccl/stand_in_fleet.h"
#include "tests/support/fabric_probes/results.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(StandInProbes, SayWhatTheyHaveLoaded) {
  FabricProbe* probe = Add("a", 0);
  EXPECT_THAT(probe->WaitForReady(),
              ::testing::Optional(
                  AllOf(StartsWith("NCCL 2."), HasSubstr("/libnccl.so.2"))));
}

TEST_F(StandInProbes, TestAGpuAlone) {
  EXPECT_THAT(RunGroup({Add("a", 3)}), ElementsAre(Measured(64 * 1024)));
}

TEST_F(StandInProbes, TakeATenthOfTheFreeMemoryAtMost) {
  FabricProbe* probe = Add("a", 0, {{"STAND_IN_MEMORY", "2000000"}});
  EXPECT_THAT(RunGroup({probe}, {.bytes = 1 << 30}),
              ElementsAre(Measured(100'000)));
}

TEST_F(StandInProbes, TestTwoHosts) {
  const auto results = RunGroup(AddHosts({"a", "b"}));
  EXPECT_THAT(results, Each(Measured(64 * 1024)));
  for (const SlotResult& result : results) {
    EXPECT_EQ(result.measured().network(), "IB");
    EXPECT_THAT(result.measured().transports(), ElementsAre("NET/IB/0/GDRDMA"));
    EXPECT_GT(result.measured().connect_seconds(), 0);
  }
}

TEST_F(StandInProbes, TestTheGpusOfAHost) {
  const auto results =
      RunGroup({Add("a", 0), Add("a", 1), Add("a", 2), Add("a", 3)});
  EXPECT_THAT(results, Each(Measured(64 * 1024)));
  EXPECT_THAT(results[0].measured().transports(), ElementsAre("P2P/CUMEM"));
}

TEST_F(StandInProbes, TestOddSizesAndNumbers) {
  const auto probes = AddHosts({"a", "b", "c", "d", "e"});
  EXPECT_THAT(RunGroup(probes, {.bytes = 4}), Each(Measured(4)));
  EXPECT_THAT(RunGroup(probes, {.bytes = 4 * 1003}), Each(Measured(4 * 1003)));
  // More than one period of the pattern.
  EXPECT_THAT(RunGroup({probes[3], probes[1], probes[0]},
                       {.bytes = 4 * 1'500'001, .measure_ms = 0}),
              Each(Measured(4 * 1'500'001)));
}

TEST_F(StandInProbes, TakeTheRingWhereTheGroupSaysSo) {
  environment = {{"NCCL_ALGO", "Tree"}};
  const auto probes = AddHosts({"a", "b"});
  RunGroup(probes, {.ring = true});
  EXPECT_THAT(probes[0]->Log(), HasSubstr("NCCL_ALGO set by environment to "
                                          "Ring"));
  EXPECT_THAT(probes[0]->Log(), Not(HasSubstr("Tree")));
  RunGroup(probes, {.ring = false});
  EXPECT_THAT(probes[0]->Log(), HasSubstr("NCCL_ALGO set by environment to "
                                          "Tree"));
}

TEST_F(StandInProbes, ShareAGpuAsSeveralHosts) {
  FabricProbe* one = Add("a", 0, {}, {"--host-id", "one"});
  FabricProbe* two = Add("a", 0, {}, {"--host-id", "two"});
  const auto results = RunGroup({one, two});
  EXPECT_THAT(results, Each(Measured(64 * 1024)));
  EXPECT_EQ(results[0].measured().network(), "IB");
}

TEST_F(StandInProbes, EndWithTheirInput) {
  FabricProbe* probe = Add("a", 0);
  ASSERT_TRUE(probe->WaitForReady());
  probe->CloseInput();
  EXPECT_EQ(probe->Wait(), Code(0));
}

TEST_F(StandInProbes, EndWithTheirInputAlsoInsideALibrary) {
  fault = "hang-run@a";
  const auto probes = AddHosts({"a", "b"});
  const FabricGroup group = MakeGroup(probes);
  Begin(*probes[0], group, 0);
  Begin(*probes[1], group, 1);
  ASSERT_TRUE(probes[0]->WaitForStage(group.id(), FABRIC_STAGE_RUN));
  for (FabricProbe* probe : probes) probe->CloseInput();
  for (FabricProbe* probe : probes) EXPECT_EQ(probe->Wait(), Code(0));
}

TEST_F(StandInProbes, EndAtGarbage) {
  FabricProbe* probe = Add("a", 0);
  probe->SendBytes(std::string(600'000, '\xff'));
  EXPECT_EQ(probe->Wait(), Code(2));
}

TEST_F(StandInProbes, OfEightHostsWorkAtOnce) {
  std::vector<FabricProbe*> all;
  for (int host = 0; host < 8; ++host) {
    for (uint32_t gpu = 0; gpu < 4; ++gpu) {
      all.push_back(Add("host-" + std::to_string(host), gpu));
    }
  }
  // Pairs of hosts, a group for each of their GPUs.
  std::vector<FabricGroup> groups;
  for (size_t i = 0; i < all.size(); i += 8) {
    for (size_t gpu = 0; gpu < 4; ++gpu) {
      FabricProbe& one = *all[i + gpu];
      FabricProbe& other = *all[i + gpu + 4];
      groups.push_back(MakeGroup({&one, &other}, {.ring = true}));
      Begin(one, groups.back(), 0);
      Begin(other, groups.back(), 1);
    }
  }
  for (size_t i = 0; i < all.size(); ++i) {
    const FabricGroup& group = groups[i / 8 * 4 + i % 4];
    EXPECT_THAT(all[i]->WaitForResult(group.id()),
                ::testing::Optional(Measured(64 * 1024)));
  }
  EXPECT_THAT(RunGroup(all), Each(Measured(64 * 1024)));
}

}  // namespace
}  // namespace muster::test
