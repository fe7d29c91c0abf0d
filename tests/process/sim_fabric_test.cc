// The self-test before a simulated job, with faults in its Gloo probe.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"
#include "tests/support/muster.h"
#include "tests/support/subprocess.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SimFabric : public ::testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer must be loaded before what brings in faults";
#endif
  }
  Subprocess Start(const std::string& fault, const std::string& script) const {
    auto argv = MusterArgv(
        "sim", {{"--nnodes", "2"}, {"--fabric-check", "gloo"}}, Shell(script));
    argv[0] = MUSTER_WITH_GLOO_FAULTS;
    return Subprocess(
        Command{.argv = argv,
                .env = {{"MUSTER_FAULT", fault}, {"TMPDIR", directory_.path()}},
                .cwd = directory_.path()});
  }
  const TempDir directory_;
};

TEST_F(SimFabric, AFailureReachesANodeThatStillWaitsForItsProbeToEnd) {
  Subprocess sim =
      Start("stays@node1", "[ $RANK = 1 ] || exit 3; exec sleep 1000");
  EXPECT_EQ(sim.Wait(), Code(3)) << sim.Text();
  EXPECT_THAT(sim.Text(), HasSubstr("rank 0"));
  EXPECT_TRUE(NothingIsLeftOf(sim));
}

TEST_F(SimFabric, AJobRunsWhereAProbeDoesNotEndByItself) {
  Subprocess sim = Start("stays@node1", "echo rank $RANK of $WORLD_SIZE");
  EXPECT_EQ(sim.Wait(), Code(0)) << sim.Text();
  EXPECT_THAT(sim.Out(), HasSubstr("rank 1 of 2"));
  EXPECT_TRUE(NothingIsLeftOf(sim));
}

TEST(SimFabricCheck, WaitsForTheLookAtTheGpusToEnd) {
  const TempDir directory;
  Subprocess sim(Command{.argv = MusterArgv("sim",
                                            {{"--nnodes", "8"},
                                             {"--gpus-per-node", "1"},
                                             {"--fabric-check", "nccl"},
                                             {"--nccl-library", "/nowhere"}},
                                            {"true"}),
                         .cwd = directory.path()});
  EXPECT_EQ(sim.Wait(), Code(76)) << sim.Text();
  EXPECT_THAT(sim.Err(), Not(HasSubstr("the agent is gone")));
}

}  // namespace
}  // namespace muster::test
