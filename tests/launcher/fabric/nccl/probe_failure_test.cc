// Each kind of failure is told as what it is, on pretended GPUs.
#include <signal.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/fabric/nccl/stand_in_fleet.h"
#include "tests/support/fabric_probes/results.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;

// Deadlines that are waited for.
constexpr GroupSpec kHasty = {.connect_ms = 500, .run_ms = 500};

class FailingProbes : public StandInProbes {
 protected:
  // Starts the group's tasks.
  FabricGroup BeginAll(const std::vector<FabricProbe*>& probes,
                       const GroupSpec& spec = {}) {
    const FabricGroup group = MakeGroup(probes, spec);
    uint32_t rank = 0;
    for (FabricProbe* probe : probes) Begin(*probe, group, rank++);
    return group;
  }

  // They can still do what they are asked.
  void ExpectOfUse(const std::vector<FabricProbe*>& probes) {
    for (FabricProbe* probe : probes) {
      EXPECT_THAT(RunGroup({probe}), Each(IsWell()));
    }
  }
};

TEST_F(FailingProbes, WrongMemoryOfAGpuIsFoundAlone) {
  fault = "wrong@a/1";
  FabricProbe* bad = Add("a", 1);
  const auto results = RunGroup({bad});
  EXPECT_THAT(results, Each(Fails(FABRIC_FAILURE_WRONG, FABRIC_STAGE_MEMORY)));
  EXPECT_THAT(results, Each(Says("what was copied, 1 of 16384 elements is "
                                 "wrong, the first is element 8192")));
  EXPECT_EQ(results[0].failed().wrong(), 1u);
  EXPECT_THAT(RunGroup({Add("a", 0)}), Each(IsWell()));
}

TEST_F(FailingProbes, AWrongShareIsFoundByAllMembers) {
  fault = "wrong@b/0";
  const auto results = RunGroup(AddHosts({"a", "b", "c"}));
  EXPECT_THAT(results, Each(Fails(FABRIC_FAILURE_WRONG, FABRIC_STAGE_CHECK)));
  EXPECT_THAT(results, Each(Says("the sum of 3 members: 1 of 16384")));
}

TEST_F(FailingProbes, AWrongLinkIsFoundAndHarmsNoOther) {
  fault = "wrong@a-b";
  const auto probes = AddHosts({"a", "b", "c"});
  EXPECT_THAT(RunGroup({probes[0], probes[1]}),
              Each(Fails(FABRIC_FAILURE_WRONG, FABRIC_STAGE_CHECK)));
  EXPECT_THAT(RunGroup({probes[0], probes[2]}), Each(IsWell()));
  EXPECT_THAT(RunGroup({probes[1], probes[2]}), Each(IsWell()));
}

TEST_F(FailingProbes, ASlowLinkTakesItsFactorOfTheTime) {
  environment = {{"STAND_IN_GBPS", "0.05"}};
  fault = "slow@a-b:10";
  const auto probes = AddHosts({"a", "b", "c"});
  const double nominal = 64 * 1024 / 0.05e9;
  for (const auto& result : RunGroup({probes[0], probes[1]})) {
    EXPECT_GE(result.measured().best(), 10 * nominal);
  }
  for (const auto& result : RunGroup({probes[0], probes[2]})) {
    EXPECT_GE(result.measured().best(), nominal);
    EXPECT_GE(result.measured().median(), result.measured().best());
  }
}

TEST_F(FailingProbes, ASlowGpuIsSlowAlone) {
  fault = "slow@a/0:40";
  const auto results = RunGroup({Add("a", 0)});
  EXPECT_GE(results[0].measured().best(), 40 * 0.0005);
}

TEST_F(FailingProbes, AMemberThatNeverComesIsNamed) {
  const auto probes = AddHosts({"a", "b", "c"});
  for (FabricProbe* probe : probes) ASSERT_TRUE(probe->WaitForReady());
  const FabricGroup group = MakeGroup(probes, {.connect_ms = 3000});
  Begin(*probes[0], group, 0);
  Begin(*probes[2], group, 2);
  for (FabricProbe* probe : {probes[0], probes[2]}) {
    const auto result = probe->WaitForResult(group.id());
    ASSERT_TRUE(result);
    EXPECT_THAT(*result, Fails(FABRIC_FAILURE_MISSING, FABRIC_STAGE_CONNECT));
    EXPECT_EQ(result->failed().peer(), 1u);
    EXPECT_THAT(*result, Says("rank 1 (b/0) did not come"));
  }
  ExpectOfUse(probes);
}

TEST_F(FailingProbes, ARankZeroThatNeverComesIsNamed) {
  const auto probes = AddHosts({"a", "b"});
  const FabricGroup group = MakeGroup(probes, kHasty);
  Begin(*probes[1], group, 1);
  const auto result = probes[1]->WaitForResult(group.id());
  ASSERT_TRUE(result);
  EXPECT_THAT(*result, Fails(FABRIC_FAILURE_MISSING, FABRIC_STAGE_CONNECT));
  EXPECT_EQ(result->failed().peer(), 0u);
}

TEST_F(FailingProbes, AHangInInitIsATimeoutOfConnecting) {
  fault = "hang-init@b";
  const auto probes = AddHosts({"a", "b"});
  for (FabricProbe* probe : probes) ASSERT_TRUE(probe->WaitForReady());
  const auto results = RunGroup(probes, {.connect_ms = 1000});
  EXPECT_THAT(results,
              Each(Fails(FABRIC_FAILURE_TIMEOUT, FABRIC_STAGE_CONNECT)));
  EXPECT_THAT(results, Each(Says("ncclCommInitRank did not end within 1s")));
  ExpectOfUse(probes);
}

TEST_F(FailingProbes, AHangInTheCollectiveIsATimeoutOfRunning) {
  fault = "hang-run@a-b";
  const auto probes = AddHosts({"a", "b", "c"});
  const auto results = RunGroup({probes[0], probes[1]}, {.run_ms = 500});
  EXPECT_THAT(results, Each(Fails(FABRIC_FAILURE_TIMEOUT, FABRIC_STAGE_RUN)));
  EXPECT_THAT(results, Each(Says("the reduction did not end within 500ms")));
  EXPECT_THAT(RunGroup({probes[0], probes[2]}), Each(IsWell()));
  EXPECT_THAT(RunGroup({probes[1], probes[2]}), Each(IsWell()));
}

TEST_F(FailingProbes, AnErrorOfInitHasItsCodeAndWords) {
  fault = "error@b/0:1,Cuda failure 'uncorrectable ECC error encountered'";
  const auto probes = AddHosts({"a", "b"});
  const FabricGroup group = BeginAll(probes);
  const auto bad = probes[1]->WaitForResult(group.id());
  ASSERT_TRUE(bad);
  EXPECT_THAT(*bad, Fails(FABRIC_FAILURE_ERROR, FABRIC_STAGE_CONNECT));
  EXPECT_THAT(*bad, HasCode(1));
  EXPECT_THAT(*bad, Says("uncorrectable ECC error encountered"));
  EXPECT_THAT(bad->failed().log_tail(),
              ::testing::Contains(HasSubstr("uncorrectable ECC error")));
  // What the coordinator does then.
  probes[0]->Stop(group.id());
  const auto other = probes[0]->WaitForResult(group.id());
  ASSERT_TRUE(other);
  EXPECT_THAT(*other, Fails(FABRIC_FAILURE_ABORTED, FABRIC_STAGE_CONNECT));
  ExpectOfUse(probes);
}

TEST_F(FailingProbes, AnErrorOfTheCollectiveHasItsCodeAndWords) {
  fault = "error-run@a-b:6,NET/IB: Got completion with status=12";
  const auto probes = AddHosts({"a", "b"});
  const auto results = RunGroup(probes);
  EXPECT_THAT(results, Each(Fails(FABRIC_FAILURE_ERROR, FABRIC_STAGE_RUN)));
  EXPECT_THAT(results, Each(HasCode(6)));
  ExpectOfUse(probes);
}

TEST_F(FailingProbes, ACrashEndsTheProbeAndIsAnErrorToItsPeer) {
  fault = "crash@a/0:run";
  const auto probes = AddHosts({"a", "b"});
  const auto results = RunGroup(probes);
  EXPECT_EQ(probes[0]->Wait(), Killed(SIGSEGV));
  EXPECT_THAT(results[1], Fails(FABRIC_FAILURE_ERROR, FABRIC_STAGE_RUN));
  EXPECT_THAT(results[1], Says("Connection closed by remote peer"));
  ExpectOfUse({probes[1]});
}

TEST_F(FailingProbes, ACrashWithTheDriverComesBeforeAnything) {
  fault = "crash@a/0:start";
  FabricProbe* probe = Add("a", 0);
  EXPECT_FALSE(probe->WaitForReady());
  EXPECT_EQ(probe->Wait(), Killed(SIGSEGV));
}

TEST_F(FailingProbes, AMissingSymbolIsNamed) {
  fault =
      "missing-symbol@a/0:ncclCommAbort;missing-symbol@a/1:cuMemHostAlloc;"
      "missing-symbol@a/2:ncclCommInitRankConfig";
  const char* const symbols[] = {"ncclCommAbort", "cuMemHostAlloc",
                                 "ncclCommInitRankConfig"};
  for (uint32_t gpu = 0; gpu < 3; ++gpu) {
    FabricProbe* probe = Add("a", gpu);
    const auto broken = probe->WaitForBroken();
    ASSERT_TRUE(broken);
    EXPECT_THAT(broken->message(),
                AllOf(HasSubstr(symbols[gpu]), HasSubstr("lacks")));
    EXPECT_EQ(broken->stage(), FABRIC_STAGE_START);
    EXPECT_EQ(probe->Wait(), Code(1));
  }
}

TEST_F(FailingProbes, AnOldNcclThatBlocksStillWorks) {
  fault = "version@a:21300;missing-symbol@a:ncclCommInitRankConfig";
  const auto results = RunGroup({Add("a", 0), Add("a", 1)});
  EXPECT_THAT(results, Each(IsWell()));
}

TEST_F(FailingProbes, VersionsThatDifferAreNamed) {
  fault = "version@b:22703";
  const auto results = RunGroup(AddHosts({"a", "b"}));
  EXPECT_THAT(results, Each(Fails(FABRIC_FAILURE_ERROR, FABRIC_STAGE_CONNECT)));
  EXPECT_THAT(results, Each(HasCode(5)));
  EXPECT_THAT(results, Each(Says("Mismatched NCCL version")));
}

TEST_F(FailingProbes, AFallbackToSocketsIsSeen) {
  fault = "sockets@b";
  const auto results = RunGroup(AddHosts({"a", "b"}));
  EXPECT_EQ(results[0].measured().network(), "IB");
  EXPECT_EQ(results[0].measured().network_reason(), "");
  EXPECT_EQ(results[1].measured().network(), "Socket");
  EXPECT_EQ(results[1].measured().network_reason(), "NET/IB : No device found");
}

TEST_F(FailingProbes, TwoOnOneGpuAreTold) {
  const auto results = RunGroup({Add("a", 0), Add("a", 0)});
  EXPECT_THAT(results, Each(HasCode(5)));
  EXPECT_THAT(results, Each(Says("Duplicate GPU detected")));
}

TEST_F(FailingProbes, ADriverThatHasNoMemoryIsNoReasonToEnd) {
  fault = "cuda@a/0:2";
  FabricProbe* probe = Add("a", 0);
  for (int i = 0; i < 2; ++i) {
    const auto results = RunGroup({probe});
    EXPECT_THAT(results,
                Each(Fails(FABRIC_FAILURE_ERROR, FABRIC_STAGE_MEMORY)));
    EXPECT_THAT(results, Each(Says("CUDA_ERROR_OUT_OF_MEMORY")));
  }
}

TEST_F(FailingProbes, ALostGpuBreaksTheProbeAfterItsResult) {
  fault = "cuda@a/0:214";
  FabricProbe* probe = Add("a", 0);
  EXPECT_THAT(RunGroup({probe}), Each(Says("CUDA_ERROR_ECC_UNCORRECTABLE")));
  EXPECT_TRUE(probe->WaitForBroken());
  EXPECT_EQ(probe->Wait(), Code(1));
}

TEST_F(FailingProbes, NoGpuIsNamed) {
  FabricProbe* probe = Add("a", 0, {{"CUDA_VISIBLE_DEVICES", ""}});
  const auto broken = probe->WaitForBroken();
  ASSERT_TRUE(broken);
  EXPECT_THAT(broken->message(), HasSubstr("CUDA_ERROR_NO_DEVICE"));
}

TEST_F(FailingProbes, NoLibraryIsNamed) {
  FabricProbe* no_nccl = Add("a", 0, {}, {"--nccl-library", "/no/libnccl.so"});
  auto broken = no_nccl->WaitForBroken();
  ASSERT_TRUE(broken);
  EXPECT_THAT(broken->message(), HasSubstr("/no/libnccl.so"));
  FabricProbe* no_driver = Add("a", 0, {{"LD_LIBRARY_PATH", "/no"}});
  broken = no_driver->WaitForBroken();
  ASSERT_TRUE(broken);
  EXPECT_THAT(broken->message(), HasSubstr("libcuda.so.1"));
}

TEST_F(FailingProbes, AStopEndsTheWaitForOthers) {
  const auto probes = AddHosts({"a", "b"});
  const FabricGroup group = MakeGroup(probes);
  Begin(*probes[0], group, 0);
  ASSERT_TRUE(probes[0]->WaitForStage(group.id(), FABRIC_STAGE_CONNECT));
  probes[0]->Stop(group.id());
  const auto result = probes[0]->WaitForResult(group.id());
  ASSERT_TRUE(result);
  EXPECT_THAT(*result, Fails(FABRIC_FAILURE_ABORTED, FABRIC_STAGE_CONNECT));
  EXPECT_THAT(RunGroup(probes), Each(IsWell()));
}

TEST_F(FailingProbes, AStopEndsInitAndCollectives) {
  for (const char* kind : {"hang-init", "hang-run"}) {
    fault = std::string(kind) + "@a-b";
    const auto probes = AddHosts({"a", "b"});
    FabricProbe* third = Add("c", 0);
    const FabricGroup group = BeginAll(probes);
    const FabricStage stage = kind == std::string("hang-init")
                                  ? FABRIC_STAGE_CONNECT
                                  : FABRIC_STAGE_RUN;
    for (FabricProbe* probe : probes) {
      ASSERT_TRUE(probe->WaitForStage(group.id(), stage));
      probe->Stop(group.id());
    }
    for (FabricProbe* probe : probes) {
      const auto result = probe->WaitForResult(group.id());
      ASSERT_TRUE(result);
      EXPECT_THAT(*result, Fails(FABRIC_FAILURE_ABORTED, stage));
    }
    EXPECT_THAT(RunGroup({probes[0], third}), Each(IsWell())) << kind;
  }
}

TEST_F(FailingProbes, AStopOfAnotherGroupIsNone) {
  const auto probes = AddHosts({"a", "b"});
  const FabricGroup other = MakeGroup(probes);
  for (FabricProbe* probe : probes) probe->Stop(other.id());
  EXPECT_THAT(RunGroup(probes), Each(IsWell()));
}

TEST_F(FailingProbes, APeerKilledWhileItConnectsIsATimeout) {
  fault = "hang-init@b";
  const auto probes = AddHosts({"a", "b"});
  for (FabricProbe* probe : probes) ASSERT_TRUE(probe->WaitForReady());
  const FabricGroup group = BeginAll(probes, {.connect_ms = 2000});
  ASSERT_TRUE(Eventually([&] {
    return probes[1]->Log().find("Init START") != std::string::npos;
  }));
  probes[1]->Signal(SIGKILL);
  const auto result = probes[0]->WaitForResult(group.id());
  ASSERT_TRUE(result);
  EXPECT_THAT(*result, Fails(FABRIC_FAILURE_TIMEOUT, FABRIC_STAGE_CONNECT));
  ExpectOfUse({probes[0]});
}

TEST_F(FailingProbes, APeerKilledWhileItReducesIsAnError) {
  const auto probes = AddHosts({"a", "b"});
  const FabricGroup group = BeginAll(
      probes, {.bytes = 4 << 20, .run_ms = 40'000, .measure_ms = 15'000});
  // The second time is for the measurement, which takes a while.
  ASSERT_TRUE(probes[1]->WaitForStage(group.id(), FABRIC_STAGE_RUN, 2));
  probes[1]->Signal(SIGKILL);
  const auto result = probes[0]->WaitForResult(group.id());
  ASSERT_TRUE(result);
  EXPECT_THAT(*result, Fails(FABRIC_FAILURE_ERROR, FABRIC_STAGE_RUN));
  EXPECT_THAT(*result, HasCode(6));
  ExpectOfUse({probes[0]});
}

TEST_F(FailingProbes, APeerStoppedWhileItReducesIsATimeout) {
  const auto probes = AddHosts({"a", "b"});
  const FabricGroup group =
      BeginAll(probes, {.bytes = 4 << 20, .run_ms = 4000, .measure_ms = 4000});
  ASSERT_TRUE(probes[1]->WaitForStage(group.id(), FABRIC_STAGE_RUN, 2));
  probes[1]->Signal(SIGSTOP);
  const auto result = probes[0]->WaitForResult(group.id());
  ASSERT_TRUE(result);
  EXPECT_THAT(*result, Fails(FABRIC_FAILURE_TIMEOUT, FABRIC_STAGE_RUN));
}

TEST_F(FailingProbes, APeerStoppedBeforeItsTaskIsMissing) {
  const auto probes = AddHosts({"a", "b"});
  for (FabricProbe* probe : probes) ASSERT_TRUE(probe->WaitForReady());
  probes[1]->Signal(SIGSTOP);
  const auto group = BeginAll(probes, {.connect_ms = 1000});
  const auto result = probes[0]->WaitForResult(group.id());
  ASSERT_TRUE(result);
  EXPECT_THAT(*result, Fails(FABRIC_FAILURE_MISSING, FABRIC_STAGE_CONNECT));
  EXPECT_EQ(result->failed().peer(), 1u);
}

}  // namespace
}  // namespace muster::test
