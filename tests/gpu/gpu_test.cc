// muster beside a real driver. Skipped where there is none.
#include <algorithm>
#include <string>

#include "env/hardware/gpus.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"
#include "tests/support/muster.h"
#include "tests/support/subprocess.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;

// Lines of `nvidia-smi -L`, 0 without a driver: another witness than NVML
// loaded by ourselves.
int GpusOfNvidiaSmi() {
  Subprocess smi({.argv = Shell("nvidia-smi -L | grep -c '^GPU'")});
  if (smi.Wait() != Code(0)) return 0;
  return std::stoi(smi.Out());
}

class Gpu : public ::testing::Test {
 protected:
  void SetUp() override {
    gpus = GpusOfNvidiaSmi();
    if (gpus == 0) GTEST_SKIP() << "nvidia-smi shows no GPU on this machine";
  }

  // Runs a worker that tells what it was given, with the agent's environment.
  std::string Run(const std::map<std::string, std::string>& env,
                  const Flags& flags = {}) {
    Subprocess run({.argv = MusterArgv("run", flags,
                                       Shell("echo \"backend="
                                             "$AZ_BATCHAI_PYTORCH_BACKEND"
                                             " local=$LOCAL_RANK of "
                                             "$LOCAL_WORLD_SIZE"
                                             " visible=$CUDA_VISIBLE_DEVICES"
                                             "\"")),
                    .env = env,
                    .cwd = directory.path()});
    EXPECT_EQ(run.Wait(), Code(0)) << run.Text();
    return run.Out();
  }

  int gpus = 0;
  TempDir directory;
};

TEST_F(Gpu, NvmlCountsWhatNvidiaSmiShows) {
  const env::GpuCount count = env::CountGpus();
  EXPECT_EQ(count.count, gpus);
  EXPECT_EQ(count.source, env::GpuSource::kNvml) << count.nvml_problem;
}

TEST_F(Gpu, TheDriversFilesCountTheSameWithoutNvml) {
  const env::GpuCount count =
      env::CountGpus({.nvml_library = "no-such-library.so"});
  EXPECT_EQ(count.count, gpus) << env::GpuSourceName(count.source);
  EXPECT_NE(count.source, env::GpuSource::kNvml);
}

TEST_F(Gpu, EveryGpuGetsAWorkerAndNccl) {
  const std::string out = Run({});
  EXPECT_EQ(Count(out, "backend=nccl"), gpus) << out;
  EXPECT_THAT(out, HasSubstr("local=" + std::to_string(gpus - 1) + " of " +
                             std::to_string(gpus)));
}

TEST_F(Gpu, BindingGivesEachWorkerItsOwnGpu) {
  EXPECT_THAT(Run({}, {{"--gpu-binding", "one"}}), HasSubstr("visible=0"));
}

TEST_F(Gpu, NoVisibleDeviceMeansNoGpu) {
  const std::string out = Run({{"CUDA_VISIBLE_DEVICES", ""}});
  EXPECT_THAT(out, HasSubstr("backend=gloo local=0 of 1"));
}

}  // namespace
}  // namespace muster::test
