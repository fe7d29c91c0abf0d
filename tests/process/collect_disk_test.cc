// A collector whose disk is full, or fails.
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/collect.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// ---- full ----

// The collector's directory is a file system of 16 MiB that only it has
// mounted; everybody else looks at it by way of /proc.
class CollectorDiskFull : public CollectTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "to mount needs root";
    Subprocess trial({.argv = {"unshare", "--mount", "mount", "-t", "tmpfs",
                               "tmpfs", directory_.Dir("trial")}});
    if (trial.Wait() != Code(0)) {
      GTEST_SKIP() << "nothing can be mounted here:" << trial.Text();
    }
    const std::string runs = directory_.Dir("runs");
    ASSERT_TRUE(collector_.Start(
        {}, {"unshare", "--mount", "/bin/sh", "-c",
             "mount -t tmpfs -o size=16m tmpfs '" + runs + "' && exec \"$@\"",
             "sh"}));
    inside_ = absl::StrCat("/proc/", collector_.process().pid(), "/root", runs);
  }
  std::string inside_;  // the collector's directory as the test sees it
};

TEST_F(CollectorDiskFull, GoesOnWhenThereIsSpaceAgain) {
  const std::string ballast = inside_ + "/.muster-ballast";
  WriteFile(ballast, std::string(10 << 20, 'x'));
  Subprocess& first = StartJob("run", {}, Loggen("--bytes 9M"));
  ASSERT_TRUE(first.WaitForOutput("No space left on device", kLater))
      << first.Text();
  Subprocess& second = StartJob("run", {}, Loggen("--bytes 1M"));
  // Full is full, and neither of them gives up.
  EXPECT_EQ(first.Wait(absl::Seconds(1)), kRunning) << first.Text();
  EXPECT_EQ(second.Wait(absl::ZeroDuration()), kRunning) << second.Text();
  EXPECT_EQ(collector_.process().Wait(absl::ZeroDuration()), kRunning)
      << collector_.process().Text();
  ASSERT_EQ(unlink(ballast.c_str()), 0);
  EXPECT_EQ(EndOf(first), Code(0)) << first.Text();
  EXPECT_EQ(EndOf(second), Code(0)) << second.Text();
  const std::vector<std::string> runs = RunsIn(inside_);
  ASSERT_EQ(runs.size(), 2u);
  const bool in_order = LogBytesIn(inside_) == 10'000'000 &&
                        ReadFile(LogOf(runs[0], 0, 1)).size() == 9'000'000;
  EXPECT_TRUE(IsExact(runs[in_order ? 0 : 1], 0, 1, 9'000'000));
  EXPECT_TRUE(IsExact(runs[in_order ? 1 : 0], 0, 1, 1'000'000));
  EXPECT_TRUE(IsRecorded(runs[0], 0));
  EXPECT_TRUE(IsRecorded(runs[1], 0));
}

TEST_F(CollectorDiskFull, DoesNotTouchAFileThatIsThere) {
  Subprocess& job = StartJob("run", {{"--collect-timeout", "1s"}},
                             "mkdir -p outputs; echo good >model;"
                             "mv model outputs;"
                             "until [ -e go ]; do sleep 0.01; done;"
                             "head -c 20000000 /dev/zero | tr '\\0' x >model;"
                             "mv model outputs");
  std::string model;
  ASSERT_TRUE(Eventually([&] {
    const std::string run = OnlyRunIn(inside_);
    model = run + "/nodes/node0/outputs/model";
    return ReadFile(model) == "good\n";
  })) << job.Text();
  WriteFile(directory_.File("job0/go"), "");
  EXPECT_EQ(EndOf(job), Code(75)) << job.Text();
  EXPECT_THAT(job.Err(), HasSubstr("outputs/model"));
  EXPECT_EQ(ReadFile(model), "good\n");
  const std::string log = ReadFile(OnlyRunIn(inside_) + "/logs/node0.agent");
  EXPECT_THAT(log, HasSubstr("outputs/model did not reach")) << job.Text();
  const std::vector<std::string> warnings =
      absl::StrSplit(log, "takes no files at the moment: run directory ");
  EXPECT_EQ(warnings.size(), 2u) << "once: " << log;
}

// ---- failing ----

bool CanInject() {
  Subprocess trial({.argv = {"strace", "-f", "-o", "/dev/null", "-e",
                             "inject=fdatasync:error=EIO:when=1", "true"}});
  return trial.Wait() == Code(0);
}

// By the number of the fdatasync() that fails: the first ones are of the run's
// documents, later ones of its logs.
class CollectorDiskFailure : public ::testing::TestWithParam<int> {};

TEST_P(CollectorDiskFailure, StopsTheCollectorBeforeItAcknowledges) {
  if (!CanInject()) GTEST_SKIP() << "strace does not work here";
  const TempDir directory;
  CollectorProcess collector(directory.File("runs"));
  const Writers writers(directory.Dir("written"), "--rate 0.5");
  ASSERT_TRUE(collector.Start(
      {}, {"strace", "-f", "-o", "/dev/null", "-e", "trace=fdatasync", "-e",
           absl::StrCat("inject=fdatasync:error=EIO:when=", GetParam())}));
  Subprocess job({.argv = MusterArgv("sim",
                                     {{"--nnodes", "2"},
                                      {"--nproc-per-node", "2"},
                                      {"--console", "none"},
                                      {"--collector", collector.address()}},
                                     Shell(writers.Script())),
                  .env = {{"MUSTER_TOKEN", kToken}},
                  .cwd = directory.Dir("job")});
  EXPECT_EQ(collector.process().Wait(kLater), Code(70))
      << collector.process().Text() << job.Text();
  EXPECT_THAT(collector.process().Err(),
              HasSubstr("cannot sync " + collector.directory()));
  EXPECT_EQ(job.Wait(absl::ZeroDuration()), kRunning) << job.Text();
  const uint64_t stored = LogBytesIn(collector.directory());
  ASSERT_TRUE(collector.Start());
  ASSERT_TRUE(Eventually(
      [&] { return LogBytesIn(collector.directory()) > stored + 100'000; },
      kLater))
      << job.Text();
  ASSERT_TRUE(writers.HaveBegunIn(OnlyRunIn(collector.directory()), 4))
      << job.Text();
  writers.Stop();
  ASSERT_EQ(job.Wait(kLater), Code(0)) << job.Text();
  EXPECT_TRUE(writers.AreExactIn(OnlyRunIn(collector.directory()), 4));
}

INSTANTIATE_TEST_SUITE_P(Calls, CollectorDiskFailure,
                         ::testing::Values(2, 5, 15, 40));

// Nobody will start it again: the job does not wait for that.
TEST(JobsOwnCollector, LosesItsDiskAndTheJobGoesOnAndSaysWhatIsMissing) {
  if (!CanInject()) GTEST_SKIP() << "strace does not work here";
  const TempDir directory;
  Command job = {
      .argv = {"strace", "-f", "-qq", "-o", "/dev/null", "-e",
               "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=4"},
      .cwd = directory.path()};
  for (const std::string& word :
       MusterArgv("run", {{"--collect-timeout", "10m"}},
                  Shell("for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.1;"
                        "done; echo all >done"))) {
    job.argv.push_back(word);
  }
  Subprocess process(job);
  ASSERT_EQ(process.Wait(kLater), Code(75)) << process.Text();
  EXPECT_EQ(ReadFile(directory.File("done")), "all\n");
  EXPECT_THAT(process.Err(),
              AllOf(HasSubstr("cannot sync "), HasSubstr("Input/output error"),
                    HasSubstr("did not reach the collector")));
}

}  // namespace
}  // namespace muster::test
