#include "launcher/process/exit_status.h"

#include "gtest/gtest.h"

namespace muster::process {
namespace {

TEST(ExitStatus, TellsACodeFromASignal) {
  EXPECT_EQ(ExitStatus::Exited(9).ToString(), "exit code 9");
  EXPECT_EQ(ExitStatus::Signaled(9).ToString(), "killed by SIGKILL");
  EXPECT_NE(ExitStatus::Exited(9), ExitStatus::Signaled(9));
  EXPECT_EQ(ExitStatus::Signaled(9).ShellCode(), 137);
  EXPECT_EQ(ExitStatus::Exited(9).ShellCode(), 9);
  EXPECT_FALSE(ExitStatus::Signaled(9).success());
  EXPECT_TRUE(ExitStatus::Exited(0).success());
}

TEST(ExitStatus, ReadsWhatWaitidTells) {
  siginfo_t info = {};
  info.si_code = CLD_EXITED;
  info.si_status = 3;
  EXPECT_EQ(ExitStatus::FromSiginfo(info), ExitStatus::Exited(3));
  info.si_code = CLD_DUMPED;
  info.si_status = SIGSEGV;
  EXPECT_EQ(ExitStatus::FromSiginfo(info), ExitStatus::Signaled(SIGSEGV));
  info.si_code = CLD_KILLED;
  info.si_status = SIGTERM;
  EXPECT_EQ(ExitStatus::FromSiginfo(info), ExitStatus::Signaled(SIGTERM));
}

TEST(ExitStatus, NamesEverySignal) {
  EXPECT_EQ(SignalName(SIGTERM), "SIGTERM");
  EXPECT_EQ(SignalName(SIGRTMIN + 2), "SIGRTMIN+2");
  EXPECT_EQ(SignalName(300), "signal 300");
}

}  // namespace
}  // namespace muster::process
