// A muster that was compiled without NCCL's headers says so wherever it is
// asked for its probe.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/fabric/nccl/command_inbox.h"
#include "launcher/fabric/nccl/inventory.h"
#include "launcher/fabric/nccl/probe.h"

namespace muster::fabric {
namespace {

using ::testing::HasSubstr;

constexpr char kWhy[] = "compiled without the NCCL probe";

TEST(ProbeAbsent, IsTheInventorysProblem) {
  FabricInventory inventory;
  AddNcclLibrary("libnccl.so.2", &inventory);
  EXPECT_THAT(inventory.nccl_problem(), HasSubstr(kWhy));
  EXPECT_EQ(inventory.nccl_version(), 0u);
  EXPECT_THAT(NcclProbeMissing(), HasSubstr("install the CUDA Toolkit"));
}

TEST(ProbeAbsentDeath, IsBrokenFromTheStart) {
  EXPECT_EXIT(RunNcclProbe({}), ::testing::ExitedWithCode(kProbeBroken), kWhy);
}

}  // namespace
}  // namespace muster::fabric
