// The real NCCL on a machine without a GPU: as far as it goes.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/fabric/nccl/library.h"
#include "launcher/fabric/nccl/shared_library.h"
#include "launcher/fabric/nccl_version.h"
#include "tests/support/fabric_probes/fabric_probes.h"

namespace muster::fabric {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kLibrary[] = MUSTER_REAL_NCCL;

class RealNccl : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!SharedLibrary::Open(kLibrary).ok()) {
      GTEST_SKIP() << "NCCL is not installed: " << kLibrary
                   << " can't be loaded";
    }
  }
};

TEST_F(RealNccl, LoadsAndTellsItsVersion) {
  const absl::StatusOr<NcclLibrary> nccl = NcclLibrary::Open(kLibrary);
  ASSERT_TRUE(nccl.ok()) << nccl.status();
  EXPECT_GE(nccl->version(), 21400);
  EXPECT_THAT(NcclVersionText(nccl->version()), HasSubstr("2."));
  EXPECT_TRUE(nccl->can_init_without_blocking());
}

TEST_F(RealNccl, MakesIds) {
  const absl::StatusOr<NcclLibrary> nccl = NcclLibrary::Open(kLibrary);
  ASSERT_TRUE(nccl.ok()) << nccl.status();
  ncclUniqueId one = {};
  ncclUniqueId two = {};
  ASSERT_EQ(nccl->call().get_unique_id(&one), ncclSuccess) << nccl->LastError();
  ASSERT_EQ(nccl->call().get_unique_id(&two), ncclSuccess);
  EXPECT_NE(std::string(one.internal, sizeof one.internal),
            std::string(two.internal, sizeof two.internal));
}

TEST_F(RealNccl, FailsWithItsErrorNamedWithoutADriver) {
  if (SharedLibrary::Open("libcuda.so.1").ok()) {
    GTEST_SKIP() << "this machine has a driver; tests/gpu shows what is right";
  }
  const absl::StatusOr<NcclLibrary> nccl = NcclLibrary::Open(kLibrary);
  ASSERT_TRUE(nccl.ok()) << nccl.status();
  ncclUniqueId id = {};
  ASSERT_EQ(nccl->call().get_unique_id(&id), ncclSuccess);
  ncclComm_t communicator = nullptr;
  const ncclResult_t result = nccl->InitRank(&communicator, 1, id, 0);
  EXPECT_EQ(result, ncclUnhandledCudaError);
  EXPECT_THAT(nccl->Explain("ncclCommInitRank", result),
              AllOf(HasSubstr("ncclCommInitRank: unhandled cuda error"),
                    HasSubstr("(1)"), HasSubstr("Cuda failure")));
}

// With a driver that is a stand-in, a probe comes as far as NCCL's own check
// of it.
TEST_F(RealNccl, SaysWhyItDoesNotConnect) {
  test::ProbeFleet fleet;
  std::vector<test::FabricProbe*> probes;
  for (const char* host : {"a", "b"}) {
    probes.push_back(
        fleet.Add({.host = host,
                   .arguments = {"--nccl-library", kLibrary},
                   .env = {{"LD_LIBRARY_PATH", MUSTER_STAND_INS}}}));
    ASSERT_TRUE(probes.back()->WaitForReady()) << fleet.Text();
  }
  for (const SlotResult& result : test::RunGroup(probes)) {
    EXPECT_EQ(result.failed().kind(), FABRIC_FAILURE_ERROR) << fleet.Text();
    EXPECT_EQ(result.failed().stage(), FABRIC_STAGE_CONNECT);
    EXPECT_EQ(result.failed().code(), ncclUnhandledCudaError);
    EXPECT_THAT(result.failed().message(), HasSubstr("Cuda failure"));
  }
}

TEST(NcclVersion, IsReadAsNcclCounts) {
  EXPECT_EQ(NcclVersionText(22809), "2.28.9");
  EXPECT_EQ(NcclVersionText(21403), "2.14.3");
  EXPECT_EQ(NcclVersionText(2804), "2.8.4");
}

}  // namespace
}  // namespace muster::fabric
