#include "launcher/fabric/nccl/log_part.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"

namespace muster::fabric {
namespace {

using muster::test::ReadFile;
using muster::test::TempDir;
using muster::test::WriteFile;

const std::string kOnceInAProcess =
    "n [0] NCCL INFO NCCL_IB_DISABLE set by environment to 1.\n"
    "n [0] NCCL INFO NCCL_NVLS_ENABLE set by environment to 0.\n"
    "n [0] NCCL INFO NET/IB : No device found.\n";
const std::string kOverSockets =
    "n [0] NCCL INFO Using network Socket\n"
    "n [0] NCCL INFO Channel 00/0 : 0[0] -> 1[0] [send] via NET/Socket/0\n";
const std::string kWithinTheNode =
    "n [0] NCCL INFO Using network Socket\n"
    "n [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM\n";

SlotResult Measured(const std::string& part, const std::string& all) {
  SlotResult result;
  result.mutable_measured();
  AddLogFacts(part, &result);
  AddLogReasons(all, &result);
  return result;
}

TEST(LogPart, IsWhatTheTaskWroteAndAllThatWasWritten) {
  const TempDir directory;
  const std::string path = directory.File("log");
  WriteFile(path, "before\n");
  const LogPart part(path);
  WriteFile(path, "before\nthen\n");
  EXPECT_EQ(part.Read(), "then\n");
  EXPECT_EQ(part.ReadAll(), "before\nthen\n");
  WriteFile(path, "anew\n");
  EXPECT_EQ(part.Read(), "anew\n");
  EXPECT_EQ(LogPart("").ReadAll(), "");
}

TEST(LogPart, TellsWhySocketsThoughItWasSaidInAnEarlierTask) {
  const FabricMeasurement measured =
      Measured(kOverSockets, kOnceInAProcess + kOverSockets).measured();
  EXPECT_EQ(measured.network(), "Socket");
  EXPECT_EQ(measured.network_reason(),
            "NCCL_IB_DISABLE set by environment to 1; NET/IB : No device "
            "found");
  EXPECT_EQ(measured.nvls(), FABRIC_NVLS_UNSPECIFIED);
}

TEST(LogPart, TellsOfNoNetworkWithinANode) {
  const FabricMeasurement measured =
      Measured(kWithinTheNode, kOnceInAProcess + kWithinTheNode).measured();
  EXPECT_EQ(measured.network(), "");
  EXPECT_EQ(measured.network_reason(), "");
  EXPECT_EQ(measured.nvls(), FABRIC_NVLS_OFF);
  EXPECT_EQ(measured.nvls_reason(), "NCCL_NVLS_ENABLE set by environment to 0");
}

TEST(LogPart, TellsWhetherNvlsWorks) {
  const std::string says = "n [0] NCCL INFO NVLS multicast support is ";
  FabricMeasurement measured =
      Measured(says + "available on dev 0\n" + kWithinTheNode, "").measured();
  EXPECT_EQ(measured.nvls(), FABRIC_NVLS_USABLE);
  measured = Measured(says + "not available on dev 0\n" + kWithinTheNode, "")
                 .measured();
  EXPECT_EQ(measured.nvls(), FABRIC_NVLS_MISSING);
  EXPECT_EQ(measured.nvls_reason(), "NVLS multicast support is not available");
}

TEST(LogPart, TellsTheNetworkOfATestThatFailed) {
  SlotResult result;
  result.mutable_failed();
  AddLogFacts("n [0] NCCL INFO Using network Socket\n", &result);
  AddLogReasons(kOnceInAProcess, &result);
  EXPECT_EQ(result.failed().network(), "Socket");
  EXPECT_THAT(result.failed().network_reason(),
              testing::HasSubstr("NCCL_IB_DISABLE"));
}

}  // namespace
}  // namespace muster::fabric
