// The probe with a real driver and a real NCCL. One GPU is enough: its probes
// pass for several hosts, which NCCL connects over the network.
#include <cuda.h>
#include <signal.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/fabric/nccl/inventory.h"
#include "launcher/fabric/nccl/library.h"
#include "launcher/fabric/nccl/shared_library.h"
#include "tests/support/fabric_probes/fabric_probes.h"
#include "tests/support/fabric_probes/results.h"
#include "tests/support/muster.h"

namespace muster::test {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A first start of CUDA can take a minute, and processes that share a GPU take
// turns on it.
constexpr GroupSpec kPatient = {.bytes = 1 << 20,
                                .connect_ms = 120'000,
                                .run_ms = 120'000,
                                .measure_ms = 200};

constexpr absl::Duration kPatience = absl::Minutes(4);

// The NCCL to test: $MUSTER_NCCL_LIBRARY, or that of the headers.
std::string Nccl() {
  const char* own = getenv("MUSTER_NCCL_LIBRARY");
  if (own != nullptr) return own;
  return fabric::SharedLibrary::Open(MUSTER_REAL_NCCL).ok() ? MUSTER_REAL_NCCL
                                                            : "libnccl.so.2";
}

class FabricGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    Subprocess smi({.argv = Shell("nvidia-smi -L | grep -q '^GPU'")});
    if (smi.Wait() != Code(0)) {
      GTEST_SKIP() << "nvidia-smi shows no GPU on this machine";
    }
    if (const auto nccl = fabric::NcclLibrary::Open(Nccl()); !nccl.ok()) {
      GTEST_SKIP() << "NCCL is not installed: " << nccl.status().message();
    }
  }

  void TearDown() override {
    if (HasFailure()) fputs(fleet.Text().c_str(), stderr);
  }

  // A probe of GPU 0 that passes for a host.
  FabricProbe* Add(const std::string& host) {
    FabricProbe* probe =
        fleet.Add({.host = host,
                   .arguments = {"--nccl-library", Nccl(), "--host-id", host},
                   .patience = kPatience});
    EXPECT_TRUE(probe->WaitForReady()) << probe->Text();
    return probe;
  }

  std::vector<FabricProbe*> AddHosts(const std::vector<std::string>& hosts) {
    std::vector<FabricProbe*> probes;
    for (const std::string& host : hosts) probes.push_back(Add(host));
    return probes;
  }

  static FabricGroup BeginAll(const std::vector<FabricProbe*>& probes,
                              const GroupSpec& spec) {
    const FabricGroup group = MakeGroup(probes, spec);
    uint32_t rank = 0;
    for (FabricProbe* probe : probes) Begin(*probe, group, rank++);
    return group;
  }

  // Waits until the probe is inside of NCCL's own way of connecting.
  static bool WaitForInit(const FabricProbe& probe) {
    return Eventually(
        [&] { return probe.Log().find("Init START") != std::string::npos; },
        absl::Minutes(2));
  }

  ProbeFleet fleet;
};

// Bytes per second that the memory moves at most, by the driver's account.
double PeakBandwidth() {
  const auto driver = fabric::SharedLibrary::Open("libcuda.so.1");
  const auto init = driver->Find<CUresult(unsigned)>("cuInit");
  const auto attribute =
      driver->Find<CUresult(int*, CUdevice_attribute, CUdevice)>(
          "cuDeviceGetAttribute");
  int kilohertz = 0;
  int bits = 0;
  init(0);
  attribute(&kilohertz, CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE, 0);
  attribute(&bits, CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH, 0);
  // Twice in each clock.
  return 2e3 * kilohertz * bits / 8;
}

TEST_F(FabricGpu, ItsInventoryIsWhatNvidiaSmiShows) {
  const FabricInventory seen =
      fabric::TakeNcclInventory({.nccl_library = Nccl(), .environment = {}});
  Subprocess smi({.argv = Shell("nvidia-smi -L")});
  ASSERT_EQ(smi.Wait(), Code(0));
  ASSERT_GE(seen.gpus_size(), 1) << seen.DebugString();
  for (const GpuFacts& gpu : seen.gpus()) {
    EXPECT_THAT(smi.Out(), HasSubstr(gpu.uuid()));
    EXPECT_THAT(smi.Out(), HasSubstr(gpu.name()));
    EXPECT_EQ(gpu.problem(), "");
    EXPECT_GT(gpu.memory_bytes(), uint64_t{1} << 30);
    EXPECT_GE(gpu.capability(), 50u);
  }
  EXPECT_NE(seen.driver(), "");
  EXPECT_GE(seen.nccl_version(), 21400u);
}

TEST_F(FabricGpu, AloneCopiesAsFastAsItsMemoryIs) {
  const auto results = RunGroup(
      {Add("a")}, {.bytes = 256 << 20, .run_ms = 120'000, .measure_ms = 500});
  ASSERT_THAT(results, Each(Measured(256 << 20)));
  // Each byte is read and written.
  const double bandwidth = 2.0 * (256 << 20) / results[0].measured().best();
  RecordProperty("gigabytes_per_second", static_cast<int>(bandwidth / 1e9));
  const double peak = PeakBandwidth();
  EXPECT_LT(bandwidth, 1.05 * peak);
  // A GPU that is shared does less; one that copies over PCIe a twentieth.
  EXPECT_GT(bandwidth, 0.4 * peak);
}

TEST_F(FabricGpu, AsTwoHostsIsExactOverTheNetwork) {
  const auto probes = AddHosts({"a", "b"});
  GroupSpec spec = kPatient;
  spec.ring = true;
  const auto results = RunGroup(probes, spec);
  ASSERT_THAT(results, Each(Measured(1 << 20)));
  for (const SlotResult& result : results) {
    EXPECT_NE(result.measured().network(), "");
    EXPECT_THAT(result.measured().transports(), Contains(StartsWith("NET/")));
  }
  EXPECT_THAT(probes[0]->Log(), HasSubstr("NCCL_ALGO set by environment to "
                                          "Ring"));
}

TEST_F(FabricGpu, AsThreeHostsIsExactInOddSizes) {
  const auto probes = AddHosts({"a", "b", "c"});
  for (const uint64_t bytes :
       {uint64_t{4}, uint64_t{4 * 1003}, uint64_t{4 * 1'500'001}}) {
    GroupSpec spec = kPatient;
    spec.bytes = bytes;
    spec.measure_ms = 0;
    EXPECT_THAT(RunGroup(probes, spec), Each(Measured(bytes)));
  }
}

TEST_F(FabricGpu, TwoProbesOfOneHostOnItAreTold) {
  const auto one = fleet.Add(
      {.arguments = {"--nccl-library", Nccl()}, .patience = kPatience});
  const auto two = fleet.Add(
      {.arguments = {"--nccl-library", Nccl()}, .patience = kPatience});
  ASSERT_TRUE(one->WaitForReady());
  ASSERT_TRUE(two->WaitForReady());
  const auto results = RunGroup({one, two}, kPatient);
  EXPECT_THAT(results,
              Contains(Fails(FABRIC_FAILURE_ERROR, FABRIC_STAGE_CONNECT)));
  EXPECT_THAT(results, Contains(HasCode(ncclInvalidUsage)));
}

TEST_F(FabricGpu, AProbeIsOfUseAfterEachFailure) {
  const auto probes = AddHosts({"a", "b"});
  GroupSpec spec = kPatient;
  spec.connect_ms = 3000;
  const FabricGroup missing = MakeGroup(probes, spec);
  Begin(*probes[0], missing, 0);
  const auto failed = probes[0]->WaitForResult(missing.id());
  ASSERT_TRUE(failed);
  EXPECT_THAT(*failed, Fails(FABRIC_FAILURE_MISSING, FABRIC_STAGE_CONNECT));
  EXPECT_THAT(RunGroup(probes, kPatient), Each(IsWell()));
}

TEST_F(FabricGpu, AStopWhileItReducesAborts) {
  const auto probes = AddHosts({"a", "b"});
  GroupSpec spec = kPatient;
  spec.measure_ms = 60'000;
  const FabricGroup group = BeginAll(probes, spec);
  for (FabricProbe* probe : probes) {
    ASSERT_TRUE(probe->WaitForStage(group.id(), FABRIC_STAGE_RUN, 2));
    probe->Stop(group.id());
  }
  for (FabricProbe* probe : probes) {
    const auto result = probe->WaitForResult(group.id());
    ASSERT_TRUE(result);
    EXPECT_THAT(*result, Fails(FABRIC_FAILURE_ABORTED, FABRIC_STAGE_RUN));
  }
  EXPECT_THAT(RunGroup(probes, kPatient), Each(IsWell()));
}

TEST_F(FabricGpu, APeerKilledWhileItConnectsFailsTheOther) {
  const auto probes = AddHosts({"a", "b"});
  GroupSpec spec = kPatient;
  spec.connect_ms = 20'000;
  const FabricGroup group = BeginAll(probes, spec);
  ASSERT_TRUE(WaitForInit(*probes[1]));
  probes[1]->Signal(SIGKILL);
  const auto result = probes[0]->WaitForResult(group.id());
  ASSERT_TRUE(result);
  // It may have come so far that its sockets tell of its end.
  EXPECT_THAT(result->failed().kind(),
              AnyOf(FABRIC_FAILURE_ERROR, FABRIC_FAILURE_TIMEOUT));
  EXPECT_THAT(RunGroup({probes[0]}, kPatient), Each(IsWell()));
}

TEST_F(FabricGpu, APeerStoppedWhileItConnectsIsATimeout) {
  const auto probes = AddHosts({"a", "b"});
  GroupSpec spec = kPatient;
  spec.connect_ms = 10'000;
  spec.run_ms = 10'000;
  const FabricGroup group = BeginAll(probes, spec);
  ASSERT_TRUE(WaitForInit(*probes[1]));
  probes[1]->Signal(SIGSTOP);
  const auto result = probes[0]->WaitForResult(group.id());
  ASSERT_TRUE(result);
  EXPECT_EQ(result->failed().kind(), FABRIC_FAILURE_TIMEOUT);
}

TEST_F(FabricGpu, APeerKilledWhileItReducesIsAnError) {
  const auto probes = AddHosts({"a", "b"});
  GroupSpec spec = kPatient;
  spec.measure_ms = 60'000;
  const FabricGroup group = BeginAll(probes, spec);
  ASSERT_TRUE(probes[1]->WaitForStage(group.id(), FABRIC_STAGE_RUN, 2));
  probes[1]->Signal(SIGKILL);
  const auto result = probes[0]->WaitForResult(group.id());
  ASSERT_TRUE(result);
  EXPECT_THAT(*result, Fails(FABRIC_FAILURE_ERROR, FABRIC_STAGE_RUN));
  EXPECT_THAT(*result, AnyOf(HasCode(ncclRemoteError), HasCode(ncclSystemError),
                             HasCode(ncclInternalError)));
  EXPECT_THAT(RunGroup({probes[0]}, kPatient), Each(IsWell()));
}

TEST_F(FabricGpu, APeerStoppedWhileItReducesIsATimeout) {
  const auto probes = AddHosts({"a", "b"});
  GroupSpec spec = kPatient;
  spec.run_ms = 15'000;
  spec.measure_ms = 15'000;
  const FabricGroup group = BeginAll(probes, spec);
  ASSERT_TRUE(probes[1]->WaitForStage(group.id(), FABRIC_STAGE_RUN, 2));
  probes[1]->Signal(SIGSTOP);
  const auto result = probes[0]->WaitForResult(group.id());
  ASSERT_TRUE(result);
  EXPECT_THAT(*result, Fails(FABRIC_FAILURE_TIMEOUT, FABRIC_STAGE_RUN));
  EXPECT_THAT(RunGroup({probes[0]}, kPatient), Each(IsWell()));
}

}  // namespace
}  // namespace muster::test
