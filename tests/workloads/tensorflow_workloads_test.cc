// Real training with TensorFlow, as a user starts it.
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cluster/job.h"
#include "tests/support/files.h"
#include "tests/support/muster.h"
#include "tests/support/subprocess.h"
#include "tests/workloads/scripts.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;

// Importing TensorFlow four times on two busy processors takes a while.
constexpr absl::Duration kTraining = absl::Seconds(240);

constexpr char kPython[] = MUSTER_VENV "/tensorflow/bin/python";
// Written when it is complete.
constexpr char kMadeFrom[] = MUSTER_VENV "/tensorflow/made-from";

std::string WhyNoTensorflow() {
  return access(kMadeFrom, R_OK) == 0
             ? ""
             : absl::StrCat("no TensorFlow: ", kPython,
                            " is not there; tests/workloads/venv.sh tensorflow "
                            "makes it");
}

// What a finished training leaves in the run directory below `cwd`.
void ExpectTrained(const std::string& cwd) {
  const std::string outputs = RunDirectory(cwd) + "/nodes/node0/outputs";
  EXPECT_GT(Accuracy(cwd), 0.9);
  EXPECT_GT(ReadFile(outputs + "/weights.npz").size(), 10000u);
  EXPECT_EQ(Report(cwd).value("result", ""), "succeeded");
}

class SimulatedTensorflow : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = WhyNoTensorflow();
    if (!reason.empty()) GTEST_SKIP() << reason;
  }
  void Train(const std::string& script, Flags flags,
             const std::string& last_line) {
    flags.insert({{"--framework", "tensorflow"}, {"--nnodes", "2"}});
    Subprocess sim({.argv = MusterArgv("sim", flags, Python(kPython, script)),
                    .cwd = directory_.path()});
    ASSERT_EQ(sim.Wait(kTraining), Code(0)) << sim.Text();
    EXPECT_THAT(sim.Out(), HasSubstr(last_line));
    ExpectTrained(directory_.path());
    EXPECT_TRUE(NothingIsLeftOf(sim));
  }
  const TempDir directory_;
};

TEST_F(SimulatedTensorflow, TrainsWithMultiWorkerMirroredStrategy) {
  Train("digits_multiworker.py", {}, "[1] worker 1 of 2: test accuracy 0.9");
}

TEST_F(SimulatedTensorflow, TrainsWithAChiefInThePlaceOfWorker0) {
  Train("digits_multiworker.py", {{"--chief", ""}},
        "[0] worker 0 of 2: test accuracy 0.9");
}

// Its workers and parameter servers never end by themselves.
TEST_F(SimulatedTensorflow, TrainsWithParameterServerStrategy) {
  Train("digits_ps.py",
        {{"--worker-count", "3"},
         {"--parameter-server-count", "1"},
         {"--chief", ""}},
        "[1] chief of 2 workers and 1 ps: test accuracy 0.9");
}

class TwoHostsWithTensorflow : public JobTest {
 protected:
  void SetUp() override {
    JobTest::SetUp();
    const std::string reason = WhyNoTensorflow();
    if (!reason.empty()) GTEST_SKIP() << reason;
    if (!IsSkipped()) MakeHosts(2);
  }
};

TEST_F(TwoHostsWithTensorflow, TrainTogetherOnAzuresPorts) {
  StartAll(Agent({{"--framework", "tensorflow"}, {"--base-port", "2222"}},
                 Python(kPython, "digits_multiworker.py")));
  ExpectAllEndWith(Code(0), kTraining);
  ExpectTrained(hosts_->Directory(0));
}

}  // namespace
}  // namespace muster::test
