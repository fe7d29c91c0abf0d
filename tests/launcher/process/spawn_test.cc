#include "launcher/process/spawn.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/process/support.h"

namespace muster::process {
namespace {

using ::testing::HasSubstr;

// Starts `request`, waits for its end, and returns why it could not start.
std::optional<SpawnFailure> TryStart(const SpawnRequest& request,
                                     std::string* output = nullptr) {
  std::variant<Child, SpawnFailure> started = StartChild(request);
  if (auto* failure = std::get_if<SpawnFailure>(&started)) return *failure;
  Child& child = std::get<Child>(started);
  std::optional<SpawnFailure> failure = FinishSpawn(&child);
  if (output != nullptr) *output = ReadAll(child.stdout_fd.get());
  siginfo_t info = {};
  waitid(P_PID, static_cast<id_t>(child.pid), &info, WEXITED);
  return failure;
}

TEST(Spawn, RunsAProgramFromTheWorkersOwnPath) {
  TempDir directory;
  directory.Write("muster-hello", "#!/bin/sh\necho \"$0 $1\"\n", 0755);
  SpawnRequest request = Request({"muster-hello", "world"});
  EXPECT_EQ(TryStart(request)->ExitCode(), 127) << "it is in nobody's PATH";
  request.env = {{"PATH", "/nowhere:" + directory.path()}};
  std::string output;
  EXPECT_FALSE(TryStart(request, &output).has_value());
  EXPECT_EQ(output, directory.path() + "/muster-hello world\n");
}

TEST(Spawn, ResolvesRelativePathsInTheWorkingDirectory) {
  TempDir directory;
  directory.Write("muster-hello", "#!/bin/sh\necho hello\n", 0755);
  std::string output;
  SpawnRequest request = Request({"./muster-hello"});
  EXPECT_EQ(TryStart(request)->ExitCode(), 127);
  request.working_directory = directory.path();
  EXPECT_FALSE(TryStart(request, &output).has_value());
  EXPECT_EQ(output, "hello\n");
  // An empty entry of PATH is the working directory.
  request.argv = {"muster-hello"};
  request.env = {{"PATH", "/usr/bin::/bin"}};
  EXPECT_FALSE(TryStart(request, &output).has_value());
  EXPECT_EQ(output, "hello\n");
}

TEST(Spawn, HasADefaultPath) {
  SpawnRequest request = Request({"true"});
  request.env.clear();
  EXPECT_FALSE(TryStart(request).has_value());
}

TEST(Spawn, PassesOverWhatIsNoExecutableFile) {
  TempDir first, second;
  std::filesystem::create_directory(first.path() + "/muster-hello");
  SpawnRequest request = Request({"muster-hello"});
  request.env = {{"PATH", first.path() + ":" + second.path()}};
  EXPECT_EQ(TryStart(request)->ExitCode(), 127);
  const std::string file = second.Write("muster-hello", "#!/bin/sh\n", 0644);
  const auto failure = TryStart(request);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->step, SpawnStep::kFind);
  EXPECT_EQ(failure->error, EACCES);
  EXPECT_EQ(failure->ExitCode(), 126);
  EXPECT_THAT(failure->Message(), HasSubstr("'" + file + "'"));
  // One later in the PATH that can be executed is taken.
  TempDir third;
  third.Write("muster-hello", "#!/bin/sh\n", 0755);
  request.env[0].second += ":" + third.path();
  EXPECT_FALSE(TryStart(request).has_value());
}

TEST(Spawn, TellsAMissingFileFromAMissingInterpreter) {
  TempDir directory;
  const std::string path = directory.path() + "/script";
  const auto missing = TryStart(Request({path}));
  ASSERT_TRUE(missing.has_value());
  EXPECT_EQ(missing->step, SpawnStep::kFind);
  EXPECT_EQ(missing->ExitCode(), 127);
  EXPECT_THAT(missing->Message(), HasSubstr(path));

  directory.Write("script", "#!/opt/no/python -u\nprint()\n", 0755);
  const auto interpreter = TryStart(Request({path}));
  ASSERT_TRUE(interpreter.has_value());
  EXPECT_EQ(interpreter->step, SpawnStep::kExec);
  EXPECT_EQ(interpreter->ExitCode(), 126);
  EXPECT_THAT(interpreter->Message(),
              HasSubstr("its interpreter is missing: install "
                        "'/opt/no/python'"));
  const auto below = TryStart(Request({path + "/x"}));
  ASSERT_TRUE(below.has_value());
  EXPECT_EQ(below->error, ENOTDIR);
  EXPECT_EQ(below->ExitCode(), 127);
}

TEST(Spawn, RefusesWhatCannotBeExecuted) {
  TempDir directory;
  const auto script =
      TryStart(Request({directory.Write("script", "echo hello\n", 0755)}));
  ASSERT_TRUE(script.has_value());
  EXPECT_EQ(script->error, ENOEXEC);
  EXPECT_EQ(script->ExitCode(), 126);
  EXPECT_THAT(script->Message(), HasSubstr("no '#!' line"));

  const auto plain =
      TryStart(Request({directory.Write("plain", "#!/bin/sh\n", 0644)}));
  ASSERT_TRUE(plain.has_value());
  EXPECT_EQ(plain->error, EACCES);
  EXPECT_EQ(plain->ExitCode(), 126);

  const auto itself = TryStart(Request({directory.path()}));
  ASSERT_TRUE(itself.has_value());
  EXPECT_EQ(itself->error, EACCES);

  const auto foreign = TryStart(Request({directory.Write("foreign",
                                                         std::string("\x7f"
                                                                     "ELF\x09",
                                                                     5),
                                                         0755)}));
  ASSERT_TRUE(foreign.has_value());
  EXPECT_THAT(foreign->Message(), HasSubstr("another kind of machine"));
}

TEST(Spawn, RefusesAnEmptyCommand) {
  const auto nothing = TryStart(Request({}));
  ASSERT_TRUE(nothing.has_value());
  EXPECT_EQ(nothing->error, EINVAL);
  const auto empty = TryStart(Request({""}));
  ASSERT_TRUE(empty.has_value());
  EXPECT_EQ(empty->ExitCode(), 127);
}

TEST(Spawn, RefusesAnArgumentThatIsTooLong) {
  const auto failure =
      TryStart(Request({"/bin/true", std::string(200 << 10, 'x')}));
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->step, SpawnStep::kExec);
  EXPECT_EQ(failure->error, E2BIG);
  EXPECT_EQ(failure->ExitCode(), 126);
}

TEST(Spawn, RefusesAMissingWorkingDirectory) {
  TempDir directory;
  const std::string removed = directory.path() + "/removed";
  std::filesystem::create_directory(removed);
  SpawnRequest request = Request({"true"});
  request.working_directory = removed;
  EXPECT_FALSE(TryStart(request).has_value());
  std::filesystem::remove(removed);
  const auto failure = TryStart(request);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->step, SpawnStep::kWorkingDirectory);
  EXPECT_EQ(failure->error, ENOENT);
  EXPECT_EQ(failure->ExitCode(), 126);
  EXPECT_THAT(failure->Message(), HasSubstr(removed));

  request.working_directory = directory.Write("file", "", 0644);
  EXPECT_EQ(TryStart(request)->error, ENOTDIR);
}

// In a process of its own, as a user who is subject to limits.
int WithoutProcesses(const std::function<bool()>& check) {
  const pid_t pid = fork();
  if (pid == 0) {
    if (getuid() == 0 && setresuid(65534, 65534, 65534) != 0) _exit(2);
    const rlimit none = {0, 0};
    if (setrlimit(RLIMIT_NPROC, &none) != 0) _exit(3);
    _exit(check() ? 0 : 1);
  }
  int status = -1;
  waitpid(pid, &status, 0);
  return status;
}

TEST(Spawn, SaysWhenTheLimitOfProcessesIsReached) {
  EXPECT_EQ(WithoutProcesses([] {
              const auto failure = TryStart(Request({"/bin/true"}));
              return failure.has_value() && failure->step == SpawnStep::kFork &&
                     failure->error == EAGAIN && failure->ExitCode() == 126;
            }),
            0);
  EXPECT_EQ(WithoutProcesses([] {
              return Keeper::Fork().status().code() ==
                     absl::StatusCode::kResourceExhausted;
            }),
            0);
}

TEST(Spawn, SaysWhenTheLimitOfDescriptorsIsReached) {
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  // Room for one pipe and a half.
  UniqueFd next(open("/dev/null", O_RDONLY));
  const rlimit few = {static_cast<rlim_t>(next.get()) + 3, before.rlim_max};
  next.Reset();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  const auto failure = TryStart(Request({"/bin/true"}));
  setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->step, SpawnStep::kPipes);
  EXPECT_EQ(failure->error, EMFILE);
  EXPECT_FALSE(TryStart(Request({"/bin/true"})).has_value()) << "pipes leaked";
}

}  // namespace
}  // namespace muster::process
