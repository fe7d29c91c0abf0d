// How a job waits at its end for a collector that is not there, how the wait is
// cut, and what people are told.
#include <signal.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/collect.h"
#include "tests/support/terminal.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

using CollectWait = CollectTest;

TEST_F(CollectWait, ASecondSignalDoesNotWaitForIt) {
  Subprocess& job =
      StartJob("run", {{"--collect-timeout", "1h"}}, Loggen("--bytes 100k"));
  ASSERT_TRUE(Eventually([&] { return SpoolBytesIn(SpoolDir()) >= 100'000; }));
  job.Signal(SIGINT);
  ASSERT_TRUE(job.WaitForOutput("SIGINT")) << job.Text();
  job.Signal(SIGINT);
  const ExitStatus status = job.Wait();
  EXPECT_EQ(status.kind, ExitStatus::Kind::kCode) << job.Text();
  EXPECT_NE(status, Code(0)) << job.Text();
  EXPECT_THAT(job.Err(), HasSubstr(SpoolDir()));
}

TEST_F(CollectWait, ASecondSignalToASimulatedJobDoesNotWaitForIt) {
  Subprocess& job =
      StartJob("sim", {{"--nnodes", "2"}, {"--collect-timeout", "1h"}},
               Loggen("--bytes 100k"));
  ASSERT_TRUE(Eventually([&] { return SpoolBytesIn(SpoolDir()) >= 200'000; }));
  job.Signal(SIGTERM);
  ASSERT_TRUE(job.WaitForOutput("SIGTERM")) << job.Text();
  job.Signal(SIGTERM);
  const ExitStatus status = job.Wait();
  EXPECT_EQ(status.kind, ExitStatus::Kind::kCode) << job.Text();
  EXPECT_NE(status, Code(0)) << job.Text();
  EXPECT_THAT(job.Err(), HasSubstr(SpoolDir()));
}

TEST_F(CollectWait, ASecondSignalDoesNotWaitForTheRecordEither) {
  const HeldPort port;
  Subprocess& job =
      StartJob("run",
               {{"--nnodes", "2"},
                {"--rdzv-endpoint", absl::StrCat("127.0.0.1:", port.number())},
                {"--collect-timeout", "1h"}},
               "true");
  ASSERT_TRUE(job.WaitForOutput("hosting the coordinator")) << job.Text();
  job.Signal(SIGINT);
  ASSERT_TRUE(job.WaitForOutput("waiting for the collector " +
                                collector_.address() +
                                ", which lacks the record of this run"))
      << job.Text();
  job.Signal(SIGINT);
  EXPECT_EQ(job.Wait(), Code(130)) << job.Text();
}

TEST_F(CollectWait, TheVerdictDoesNotBlameTheWorkers) {
  Subprocess& job =
      StartJob("sim", {{"--nnodes", "2"}, {"--collect-timeout", "500ms"}},
               "echo out > outputs/result");
  ASSERT_EQ(EndOf(job), Code(75)) << job.Text();
  EXPECT_THAT(
      job.Err(),
      AllOf(HasSubstr("the workers succeeded, but not all output of 2 nodes "
                      "reached the collector\n"),
            HasSubstr("  missing      node 0 (node0): 1 file of this node did "
                      "not reach the collector: it took nothing for "
                      "--collect-timeout 500ms"),
            HasSubstr("  missing      node 1 (node1): 1 file of this node"),
            HasSubstr("collector " + collector_.address() +
                      ": it took nothing for --collect-timeout 500ms ("),
            HasSubstr("exit code    75: not all output was collected"),
            Not(HasSubstr("elsewhere"))));
}

// ---- it is waited for where somebody looks ----

class CollectWatched : public CollectWait {
 protected:
  // A worker that has ended, and an agent that says on its terminal for what
  // it waits.
  void StartWatched() {
    Flags flags = {{"--collect-timeout", "1h"},
                   {"--collector", collector_.address()},
                   {"--spool-dir", SpoolDir()}};
    std::vector<std::string> argv = {"/bin/sh", "-c", "exec \"$@\" 2>\"$TTY\"",
                                     "sh"};
    for (std::string& word :
         MusterArgv("run", flags, Shell(Loggen("--bytes 102400")))) {
      argv.push_back(std::move(word));
    }
    job_ = std::make_unique<Subprocess>(
        Command{.argv = argv,
                .env = {{"MUSTER_TOKEN", kToken}, {"TTY", terminal_.path()}},
                .cwd = directory_.Dir("job")});
    ASSERT_TRUE(Shows("collecting: 0 bytes sent, 10")) << terminal_.Text();
    ASSERT_TRUE(
        Shows(" KiB waiting, 0 bytes/s; the collector does not answer"
              "\x1b[K"));
  }
  bool Shows(const std::string& text) {
    return Eventually(
        [&] { return terminal_.Text().find(text) != std::string::npos; });
  }

  Terminal terminal_;
  std::unique_ptr<Subprocess> job_;
};

TEST_F(CollectWatched, OneSignalSaysWhatIsWaitedForAndChangesNoVerdict) {
  StartWatched();
  job_->Signal(SIGINT);
  EXPECT_TRUE(Shows("SIGINT: waiting for the collector " +
                    collector_.address() + ", which lacks 10"))
      << terminal_.Text();
  EXPECT_TRUE(Shows("; once more ends the wait\r\n")) << terminal_.Text();
  ASSERT_TRUE(collector_.Start());
  EXPECT_EQ(EndOf(*job_), Code(0)) << terminal_.Text();
  EXPECT_TRUE(IsExact(Run(), 0, 1, 102'400));
  EXPECT_TRUE(IsRecorded(Run(), 0));
  // The line is gone before anything else is written.
  for (size_t at = terminal_.Text().find("waiting, "); at != std::string::npos;
       at = terminal_.Text().find("waiting, ", at)) {
    at = terminal_.Text().find("\x1b[K", at) + 3;
    EXPECT_EQ(terminal_.Text()[at], '\r') << terminal_.Text();
  }
}

TEST_F(CollectWatched, TheSecondSignalEndsTheWait) {
  StartWatched();
  job_->Signal(SIGINT);
  ASSERT_TRUE(Shows("once more ends the wait")) << terminal_.Text();
  job_->Signal(SIGTERM);
  EXPECT_EQ(job_->Wait(), Code(75)) << terminal_.Text();
  EXPECT_TRUE(Shows("a second signal (SIGTERM) ended the wait ("))
      << terminal_.Text();
  EXPECT_TRUE(Shows("`muster get --spool " + SpoolDir())) << terminal_.Text();
}

}  // namespace
}  // namespace muster::test
