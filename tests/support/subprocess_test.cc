#include "tests/support/subprocess.h"

#include <signal.h>
#include <unistd.h>

#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"

namespace muster::test {
namespace {

Command Script(const std::string& script) {
  return {.argv = {"/bin/sh", "-c", script}};
}

TEST(Subprocess, KeepsBothStreamsApartAndTheExitCode) {
  Subprocess child(Script("echo out; echo err >&2; exit 7"));
  EXPECT_EQ(child.Wait(), Code(7));
  EXPECT_EQ(child.Out(), "out\n");
  EXPECT_EQ(child.Err(), "err\n");
}

TEST(Subprocess, TellsASignalFromACode) {
  Subprocess child(Script("kill -USR1 $$"));
  EXPECT_EQ(child.Wait(), Killed(SIGUSR1));
}

TEST(Subprocess, IsRunningUntilTheDeadline) {
  Subprocess child(Script("echo up; read never </dev/zero; sleep 1000"));
  EXPECT_TRUE(child.WaitForOutput("up"));
  EXPECT_EQ(child.Wait(absl::Milliseconds(20)), kRunning);
  EXPECT_FALSE(child.WaitForOutput("down", absl::Milliseconds(20)));
}

TEST(Subprocess, StopsWaitingForOutputWhenTheCommandHasEnded) {
  Subprocess child(Script("exit 0"));
  const absl::Time begin = absl::Now();
  EXPECT_FALSE(child.WaitForOutput("never", absl::Hours(1)));
  EXPECT_LT(absl::Now() - begin, kSoon);
}

TEST(Subprocess, PassesOnNothingButWhatIsAskedFor) {
  setenv("MUSTER_SURPRISE", "1", 1);
  Command command = {.argv = {"env"}};
  command.env["WANTED"] = "yes";
  const std::string environment = MustRun(command);
  EXPECT_NE(environment.find("WANTED=yes\n"), std::string::npos);
  EXPECT_EQ(environment.find("MUSTER_SURPRISE"), std::string::npos);
}

TEST(Subprocess, HasASpoolDirectoryOfItsOwn) {
  const auto spool = [](std::map<std::string, std::string> env) {
    return MustRun({.argv = {"/bin/sh", "-c", "echo $MUSTER_SPOOL_DIR"},
                    .env = std::move(env)});
  };
  const std::string one = spool({});
  EXPECT_EQ(one.find("/var/tmp/muster-spool"), std::string::npos) << one;
  EXPECT_NE(one, spool({}));
  EXPECT_EQ(spool({{"MUSTER_SPOOL_DIR", "/chosen"}}), "/chosen\n");
}

TEST(Subprocess, RunsInTheDirectoryAsked) {
  const TempDir directory;
  Command command = {.argv = {"pwd"}, .cwd = directory.path()};
  EXPECT_EQ(MustRun(command), directory.path() + "\n");
}

TEST(Subprocess, FindsAndEndsADaemonOfAnotherSession) {
  const std::string mark = absl::StrCat("DAEMON_OF=", getpid());
  {
    Command command = Script("setsid sh -c 'exec sleep 1000' & echo started");
    command.env["DAEMON_OF"] = absl::StrCat(getpid());
    Subprocess child(command);
    EXPECT_EQ(child.Wait(), Code(0));
    ASSERT_NE(child.FindInFamily("sleep").pid, 0);
    EXPECT_EQ(child.Family().size(), 1u);
    EXPECT_EQ(ProcessesWithEnv(mark).size(), 1u);
  }
  EXPECT_TRUE(ProcessesWithEnv(mark).empty());
}

TEST(Subprocess, SignalsTheWholeGroupAsATerminalDoes) {
  Subprocess child(Script(
      "trap 'echo parent; wait; exit 0' HUP;"
      "(trap 'echo child; exit 0' HUP; echo ready; while :; do :; done) &"
      "wait"));
  ASSERT_TRUE(child.WaitForOutput("ready")) << child.Text();
  child.SignalGroup(SIGHUP);
  EXPECT_EQ(child.Wait(), Code(0));
  EXPECT_NE(child.Out().find("parent"), std::string::npos) << child.Text();
  EXPECT_NE(child.Out().find("child"), std::string::npos) << child.Text();
}

TEST(TempDir, IsGoneWithItsContents) {
  std::string path;
  {
    const TempDir directory;
    path = directory.path();
    WriteFile(absl::StrCat(directory.Dir("a/b"), "/c"), "x");
    EXPECT_EQ(FilesBelow(path), std::vector<std::string>{"a/b/c"});
  }
  EXPECT_FALSE(Exists(path));
}

}  // namespace
}  // namespace muster::test
