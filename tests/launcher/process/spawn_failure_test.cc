#include "launcher/process/spawn_failure.h"

#include <cerrno>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::process {
namespace {

using ::testing::HasSubstr;

TEST(SpawnFailure, SaysAsAShellWhetherTheProgramWasFound) {
  EXPECT_EQ((SpawnFailure{SpawnStep::kFind, ENOENT, "x", "/bin"}).ExitCode(),
            127);
  EXPECT_EQ((SpawnFailure{SpawnStep::kFind, ENOTDIR, "/a/x", ""}).ExitCode(),
            127);
  EXPECT_EQ((SpawnFailure{SpawnStep::kFind, EACCES, "x", "/bin"}).ExitCode(),
            126);
  EXPECT_EQ((SpawnFailure{SpawnStep::kExec, ENOENT, "x", "#!/a"}).ExitCode(),
            126);
  EXPECT_EQ((SpawnFailure{SpawnStep::kWorkingDirectory, ENOENT, "x", "/y"})
                .ExitCode(),
            126);
}

TEST(SpawnFailure, NamesWhatFailedAndWhatToDo) {
  EXPECT_EQ(
      (SpawnFailure{SpawnStep::kFind, ENOENT, "torch", "/bin:/b"}).Message(),
      "cannot find 'torch': No such file or directory: it is in none of the "
      "directories of the worker's PATH, /bin:/b; install it, correct PATH or "
      "give its path");
  EXPECT_EQ(
      (SpawnFailure{SpawnStep::kWorkingDirectory, ENOENT, "x", "/y"}).Message(),
      "cannot enter the working directory '/y' to start 'x': No such file or "
      "directory: create it on this node or name another");
  EXPECT_EQ((SpawnFailure{SpawnStep::kFork, EAGAIN, "x", ""}).Message(),
            "cannot make a process for 'x': Resource temporarily unavailable: "
            "the limit of processes is reached (ulimit -u, or pids.max of the "
            "cgroup); raise it or start fewer workers");
}

TEST(SpawnFailure, NamesTheMissingInterpreter) {
  const auto message = [](const std::string& line) {
    return SpawnFailure{SpawnStep::kExec, ENOENT, "./x", line}.Message();
  };
  EXPECT_THAT(message("#! /opt/python -u"),
              HasSubstr("its interpreter is missing: install '/opt/python'"));
  EXPECT_THAT(message("#!/bin/sh\r"),
              HasSubstr("'/bin/sh\\r' ends in a carriage return"));
  EXPECT_THAT(message("\x7f"
                      "ELF"),
              HasSubstr("its interpreter is missing (the dynamic loader"));
  EXPECT_THAT(message("#!"), HasSubstr("its interpreter is missing"));
}

TEST(SpawnFailure, TellsAScriptWithoutShebangFromAForeignProgram) {
  EXPECT_THAT(
      (SpawnFailure{SpawnStep::kExec, ENOEXEC, "./x", "echo hi"}).Message(),
      HasSubstr("it has no '#!' line"));
  EXPECT_THAT((SpawnFailure{SpawnStep::kExec, ENOEXEC, "./x",
                            "\x7f"
                            "ELF\x02"})
                  .Message(),
              HasSubstr("another kind of machine"));
}

}  // namespace
}  // namespace muster::process
