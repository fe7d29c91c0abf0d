// CountGpus() against real shared libraries that play the driver's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "env/hardware/gpus.h"
#include "tests/env/hardware/temp_tree.h"

namespace muster::env {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A node whose /dev shows one GPU: what is found when NVML does not answer.
class Nvml : public ::testing::Test {
 protected:
  Nvml() { tree_.Write("dev/nvidia0", ""); }

  GpuCount Count(const std::string& library) {
    return CountGpus({.nvml_library = library, .root = tree_.path()});
  }

  TempTree tree_;
};

TEST_F(Nvml, IsBelievedFirst) {
  const GpuCount found = Count(FAKE_NVML_THREE_GPUS);
  EXPECT_EQ(found.count, 3);
  EXPECT_EQ(found.source, GpuSource::kNvml);
  EXPECT_THAT(found.nvml_problem, IsEmpty());
  EXPECT_EQ(GpuSourceName(found.source), "NVML");
}

TEST_F(Nvml, CanBeAskedAgain) {
  EXPECT_EQ(Count(FAKE_NVML_THREE_GPUS).count, 3);
  EXPECT_EQ(Count(FAKE_NVML_THREE_GPUS).count, 3);
}

TEST_F(Nvml, IsBelievedWhenItSeesNoGpu) {
  const GpuCount found = Count(FAKE_NVML_NO_GPUS);
  EXPECT_EQ(found.count, 0);
  EXPECT_EQ(found.source, GpuSource::kNvml);
}

TEST_F(Nvml, PassesTheQuestionOnWhenItCannotStart) {
  const GpuCount found = Count(FAKE_NVML_INIT_FAILS);
  EXPECT_EQ(found.count, 1);
  EXPECT_EQ(found.source, GpuSource::kDev);
  EXPECT_THAT(found.nvml_problem, AllOf(HasSubstr("nvmlInit_v2 returned 18"),
                                        HasSubstr("the fake's reason")));
}

TEST_F(Nvml, PassesTheQuestionOnWhenItCannotCount) {
  const GpuCount found = Count(FAKE_NVML_COUNT_FAILS);
  EXPECT_EQ(found.count, 1);
  EXPECT_EQ(found.source, GpuSource::kDev);
  EXPECT_THAT(found.nvml_problem,
              HasSubstr("nvmlDeviceGetCount_v2 returned 999"));
}

TEST_F(Nvml, PassesTheQuestionOnWhenItIsAnotherLibrary) {
  const GpuCount found = Count(FAKE_NVML_INCOMPLETE);
  EXPECT_EQ(found.count, 1);
  EXPECT_EQ(found.source, GpuSource::kDev);
  EXPECT_THAT(found.nvml_problem, HasSubstr("lacks"));
}

}  // namespace
}  // namespace muster::env
