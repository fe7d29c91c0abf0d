// ./logs of a node, followed while its workers write there.
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/collect.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;

// In front of a script: `await N` goes on when the test has called Step(N).
constexpr char kAwait[] =
    "await() { until [ -e step$1 ]; do sleep 0.01; done; }; mkdir -p logs;";
// Where ./logs of node 0 arrive.
constexpr char kLogs[] = "nodes/node0/logs/";

class LogFiles : public CollectTest {
 protected:
  void SetUp() override { ASSERT_TRUE(collector_.Start()); }

  Subprocess& Start(const std::string& script) {
    return StartJob("run", {}, kAwait + script);
  }
  void Step(int number) const {
    WriteFile(absl::StrCat(directory_.path(), "/job0/step", number), "");
  }
  // A file of ./logs is there as `bytes` while the job goes on.
  void ExpectSoon(const std::string& name, const std::string& bytes,
                  Subprocess& job) {
    EXPECT_TRUE(Shows(kLogs + name, bytes))
        << name << " is \"" << Arrived(name) << "\"" << job.Text();
    EXPECT_EQ(job.Wait(absl::ZeroDuration()), kRunning) << job.Text();
  }
  std::string Arrived(const std::string& name) const {
    return ReadFile(absl::StrCat(Run(), "/", kLogs, name));
  }
};

TEST_F(LogFiles, AreFollowedAsTheyGrow) {
  Subprocess& job = Start(
      "echo one >>logs/train.log; await 1; echo two >>logs/train.log; await 2;"
      "printf thr >>logs/train.log; await 3; echo ee >>logs/train.log");
  ExpectSoon("train.log", "one\n", job);
  Step(1);
  ExpectSoon("train.log", "one\ntwo\n", job);
  Step(2);
  ExpectSoon("train.log", "one\ntwo\nthr", job);
  Step(3);
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  EXPECT_EQ(Arrived("train.log"), "one\ntwo\nthree\n");
}

TEST_F(LogFiles, InADirectoryThatAppearsLaterAreFollowed) {
  Subprocess& job = Start(
      "await 1; mkdir -p logs/a/b; echo one >logs/a/b/deep.log; await 2;"
      "echo two >>logs/a/b/deep.log; await 3");
  Step(1);
  ExpectSoon("a/b/deep.log", "one\n", job);
  Step(2);
  ExpectSoon("a/b/deep.log", "one\ntwo\n", job);
  Step(3);
  EXPECT_EQ(EndOf(job), Code(0)) << job.Text();
}

TEST_F(LogFiles, ThatAreRenamedKeepTheirContent) {
  Subprocess& job = Start(
      "exec 3>logs/train.log; echo one >&3; await 1;"
      "echo late >&3; mv logs/train.log logs/train.log.1; echo later >&3;"
      "exec 3>logs/train.log; echo two >&3; await 2; echo three >&3");
  ExpectSoon("train.log", "one\n", job);
  Step(1);
  ExpectSoon("train.log", "two\n", job);
  ExpectSoon("train.log.1", "one\nlate\nlater\n", job);
  Step(2);
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  EXPECT_EQ(Arrived("train.log"), "two\nthree\n");
  EXPECT_EQ(Arrived("train.log.1"), "one\nlate\nlater\n");
}

TEST_F(LogFiles, ThatAreCopiedAndTruncatedKeepTheirContent) {
  Subprocess& job = Start(
      "exec 3>>logs/train.log; echo one >&3; await 1;"
      "cp logs/train.log logs/train.log.1; : >logs/train.log; await 2;"
      "echo 2 >&3; await 3");
  ExpectSoon("train.log", "one\n", job);
  Step(1);
  ExpectSoon("train.log.1", "one\n", job);
  ExpectSoon("train.log", "", job);
  Step(2);
  ExpectSoon("train.log", "2\n", job);
  Step(3);
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  EXPECT_EQ(Arrived("train.log"), "2\n");
  EXPECT_EQ(Arrived("train.log.1"), "one\n");
}

TEST_F(LogFiles, ThatAreTruncatedBeginAnew) {
  Subprocess& job = Start(
      "echo a long first line >logs/train.log; await 1;"
      "echo short >logs/train.log; await 2; echo more >>logs/train.log");
  ExpectSoon("train.log", "a long first line\n", job);
  Step(1);
  ExpectSoon("train.log", "short\n", job);
  Step(2);
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  EXPECT_EQ(Arrived("train.log"), "short\nmore\n");
}

TEST_F(LogFiles, ThatAreDeletedStayAtTheCollector) {
  Subprocess& job =
      Start("echo one >logs/train.log; await 1; rm logs/train.log");
  ExpectSoon("train.log", "one\n", job);
  Step(1);
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  EXPECT_EQ(Arrived("train.log"), "one\n");
}

TEST_F(LogFiles, SurviveTheDeathOfTheCollector) {
  Subprocess& job = Start(
      "echo one >>logs/train.log; await 1; echo two >>logs/train.log; await 2;"
      "echo three >>logs/train.log");
  ExpectSoon("train.log", "one\n", job);
  collector_.Kill();
  Step(1);
  ASSERT_TRUE(collector_.Start());
  ExpectSoon("train.log", "one\ntwo\n", job);
  collector_.Kill();
  ASSERT_TRUE(collector_.Start());
  Step(2);
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  EXPECT_EQ(Arrived("train.log"), "one\ntwo\nthree\n");
}

TEST_F(LogFiles, AreFollowedInAJobWithItsOwnCollectorToo) {
  Subprocess job({.argv = MusterArgv("run", {{"--nproc-per-node", "1"}},
                                     Shell(std::string(kAwait) +
                                           "echo one >logs/train.log; await 1;"
                                           "echo two >>logs/train.log")),
                  .cwd = directory_.Dir("job0")});
  const auto arrived = [&] {
    return ReadFile(absl::StrCat(RunDirectory(directory_.File("job0")), "/",
                                 kLogs, "train.log"));
  };
  EXPECT_TRUE(Eventually([&] { return arrived() == "one\n"; })) << job.Text();
  Step(1);
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  EXPECT_EQ(arrived(), "one\ntwo\n");
}

}  // namespace
}  // namespace muster::test
