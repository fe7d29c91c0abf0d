// Real training with PyTorch and Gloo, as a user starts it.
#include <signal.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
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

// Importing PyTorch four times on two busy processors takes a while.
constexpr absl::Duration kTraining = absl::Seconds(150);

// As Azure ML's own documentation writes them; muster expands them.
std::vector<std::string> AzureArguments() {
  return {"--dist-backend", "gloo",
          "--dist-url",     "$AZ_BATCHAI_PYTORCH_INIT_METHOD",
          "--rank",         "$AZ_BATCHAI_TASK_INDEX",
          "--world-size",   "4"};
}

std::string WhyNoTorch() {
  return WhyNo(kDebianPython, "torch.distributed, sklearn");
}

// What a finished training leaves in the run directory below `cwd`.
void ExpectTrained(const std::string& cwd, int workers_per_node) {
  const std::string run = RunDirectory(cwd);
  const std::string outputs = run + "/nodes/node0/outputs";
  EXPECT_GT(Accuracy(cwd), 0.95);
  EXPECT_GT(ReadFile(outputs + "/model.pt").size(), 10000u);
  EXPECT_THAT(
      ReadFile(run + "/logs/0.stdout"),
      HasSubstr(absl::StrCat(
          "test accuracy: ",
          absl::StripSuffix(ReadFile(outputs + "/accuracy.txt"), "\n"))));
  for (int rank = 0; rank < 4; ++rank) {
    EXPECT_THAT(
        ReadFile(absl::StrCat(run, "/nodes/node", rank / workers_per_node,
                              "/logs/rank", rank, ".log")),
        HasSubstr(absl::StrCat("rank ", rank, " of 4")));
  }
  EXPECT_EQ(Report(cwd).value("result", ""), "succeeded");
}

class Simulated : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = WhyNoTorch();
    if (!reason.empty()) GTEST_SKIP() << reason;
  }
  void Train(const std::vector<std::string>& arguments, Flags flags = {}) {
    flags.insert({{"--nnodes", "2"}, {"--nproc-per-node", "2"}});
    Subprocess sim(
        {.argv = MusterArgv("sim", flags,
                            Python(kDebianPython, "digits.py", arguments)),
         .cwd = directory_.path()});
    ASSERT_EQ(sim.Wait(kTraining), Code(0)) << sim.Text();
    EXPECT_THAT(sim.Out(), HasSubstr("[0] test accuracy: 0.9"));
    ExpectTrained(directory_.path(), 2);
  }
  const TempDir directory_;
};

TEST_F(Simulated, TrainsWithAzuresArguments) { Train(AzureArguments()); }

TEST_F(Simulated, TrainsFromTheEnvironment) { Train({}); }

TEST_F(Simulated, TrainsOverASharedFile) {
  Train(AzureArguments(),
        {{"--init-method", "file://" + directory_.Dir("shared")}});
}

TEST_F(Simulated, TheFailingRankIsTheCauseAndNotItsVictims) {
  Subprocess sim(
      {.argv = MusterArgv("sim",
                          {{"--nnodes", "2"},
                           {"--nproc-per-node", "2"},
                           {"--stop-grace", "5s"}},
                          Python(kDebianPython, "fail_rank.py",
                                 {"--fail-rank", "2", "--exit-code", "42"})),
       .cwd = directory_.path()});
  EXPECT_EQ(sim.Wait(kTraining), Code(42)) << sim.Text();
  const nlohmann::json report = Report(directory_.path());
  EXPECT_EQ(CauseText(report, "rank"), "2");
  EXPECT_EQ(CauseText(report, "exit_code"), "42");
  EXPECT_THAT(CauseText(report, "stderr_tail"),
              HasSubstr("rank 2 fails on purpose"));
  EXPECT_TRUE(NothingIsLeftOf(sim));
}

class FourHosts : public JobTest {
 protected:
  void SetUp() override {
    JobTest::SetUp();
    const std::string reason = WhyNoTorch();
    if (!reason.empty()) GTEST_SKIP() << reason;
    if (!IsSkipped()) MakeHosts(4);
  }
};

TEST_F(FourHosts, TrainTogether) {
  StartAll(Agent({}, Python(kDebianPython, "digits.py", AzureArguments())));
  ExpectAllEndWith(Code(0), kTraining);
  ExpectTrained(hosts_->Directory(0), 1);
}

TEST_F(FourHosts, StopTogetherInTheMiddleOfTraining) {
  StartAll(Agent({{"--stop-grace", "5s"}},
                 Python(kDebianPython, "digits.py", {"--epochs", "1000000"})));
  ASSERT_TRUE(agent(0).WaitForOutput("[0] epoch 2/", kTraining))
      << agent(0).Text();
  agent(3).Signal(SIGINT);
  ExpectAllEndWith(Code(130));
  ExpectNothingIsLeft();
}

}  // namespace
}  // namespace muster::test
