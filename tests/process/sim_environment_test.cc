// What a worker is given: variables and expanded arguments, and no secret.
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"
#include "tests/support/muster.h"
#include "tests/support/subprocess.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using Variables = std::map<std::string, std::string>;

class SimEnvironment : public ::testing::Test {
 protected:
  static Flags TwoByTwo() {
    return {{"--nnodes", "2"}, {"--nproc-per-node", "2"}};
  }
  // Runs to its end with code 0; the output is in logs/ of the run.
  void Run(const Flags& flags, const std::vector<std::string>& command,
           const Variables& environment = {}) {
    Subprocess sim({.argv = MusterArgv("sim", flags, command),
                    .env = environment,
                    .cwd = directory_.path()});
    ASSERT_EQ(sim.Wait(), Code(0)) << sim.Text();
  }
  std::string Out(int rank) const {
    return ReadFile(absl::StrCat(RunDirectory(directory_.path()), "/logs/",
                                 rank, ".stdout"));
  }
  Variables VariablesOf(int rank) const {
    Variables variables;
    for (const std::string& line : Lines(Out(rank))) {
      const size_t equals = line.find('=');
      if (equals == std::string::npos) continue;
      variables[line.substr(0, equals)] = line.substr(equals + 1);
    }
    return variables;
  }
  const TempDir directory_;
};

TEST_F(SimEnvironment, EveryVariableOfTorchrunIsThere) {
  Run(TwoByTwo(), {"env"});
  for (int rank = 0; rank < 4; ++rank) {
    SCOPED_TRACE(absl::StrCat("rank ", rank));
    Variables variables = VariablesOf(rank);
    const Variables expected = {
        {"RANK", absl::StrCat(rank)},
        {"LOCAL_RANK", absl::StrCat(rank % 2)},
        {"GROUP_RANK", absl::StrCat(rank / 2)},
        {"ROLE_RANK", absl::StrCat(rank)},
        {"WORLD_SIZE", "4"},
        {"LOCAL_WORLD_SIZE", "2"},
        {"GROUP_WORLD_SIZE", "2"},
        {"ROLE_WORLD_SIZE", "4"},
        {"TORCHELASTIC_RESTART_COUNT", "0"},
        {"TORCHELASTIC_MAX_RESTARTS", "0"},
        {"OMP_NUM_THREADS", "1"},
    };
    for (const auto& [name, value] : expected) {
      EXPECT_EQ(variables[name], value) << name;
    }
    for (const char* name :
         {"MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID", "ROLE_NAME"}) {
      EXPECT_NE(variables[name], "") << name;
    }
    EXPECT_EQ(variables["MASTER_ADDR"], VariablesOf(0)["MASTER_ADDR"]);
    EXPECT_EQ(variables["MASTER_PORT"], VariablesOf(0)["MASTER_PORT"]);
  }
}

TEST_F(SimEnvironment, AzuresVariablesAgreeWithThem) {
  Run(TwoByTwo(), {"env"});
  for (int rank = 0; rank < 4; ++rank) {
    SCOPED_TRACE(absl::StrCat("rank ", rank));
    Variables variables = VariablesOf(rank);
    EXPECT_EQ(variables["AZ_BATCHAI_TASK_INDEX"], absl::StrCat(rank));
    EXPECT_EQ(variables["NODE_RANK"], absl::StrCat(rank / 2));
    EXPECT_EQ(variables["AZ_BATCHAI_PYTORCH_INIT_METHOD"],
              absl::StrCat("tcp://", variables["MASTER_ADDR"], ":",
                           variables["MASTER_PORT"]));
  }
}

TEST_F(SimEnvironment, ArgumentsAreExpandedWithoutAShell) {
  Run(TwoByTwo(),
      {"/bin/sh", "-c", "printf '<%s>\\n' \"$@\"", "sh",
       "$AZ_BATCHAI_TASK_INDEX", "${WORLD_SIZE}th", "$WITH_SPACE",
       "$NO_SUCH_VARIABLE", "$$RANK", "\\$RANK", "${RANK", "*"},
      {{"WITH_SPACE", "two words"}});
  for (int rank = 0; rank < 4; ++rank) {
    EXPECT_EQ(Out(rank), absl::StrCat("<", rank, ">\n<4th>\n<two words>\n",
                                      "<$NO_SUCH_VARIABLE>\n<$", rank, ">\n<\\",
                                      rank, ">\n<${RANK>\n<*>\n"));
  }
}

TEST_F(SimEnvironment, VariablesOfTheCommandLineReachEveryWorker) {
  Flags flags = TwoByTwo();
  flags["--env"] = "GREETING=hello = world";
  Run(flags, {"env"});
  EXPECT_EQ(VariablesOf(0)["GREETING"], "hello = world");
  EXPECT_EQ(VariablesOf(3)["GREETING"], "hello = world");
}

TEST_F(SimEnvironment, AVariableOfTheUserIsKept) {
  Run(TwoByTwo(), {"env"}, {{"OMP_NUM_THREADS", "3"}, {"MINE", "kept"}});
  EXPECT_EQ(VariablesOf(1)["OMP_NUM_THREADS"], "3");
  EXPECT_EQ(VariablesOf(1)["MINE"], "kept");
}

TEST_F(SimEnvironment, TheFileInitMethodIsFreshForEachRun) {
  const std::string shared = directory_.Dir("shared");
  Flags flags = TwoByTwo();
  flags["--init-method"] = "file://" + shared;
  Run(flags, {"env"});
  const std::string method = VariablesOf(0)["AZ_BATCHAI_PYTORCH_INIT_METHOD"];
  EXPECT_THAT(method, ::testing::StartsWith("file://" + shared + "/"));
  EXPECT_EQ(VariablesOf(3)["AZ_BATCHAI_PYTORCH_INIT_METHOD"], method);
  const std::string path = method.substr(std::string("file://").size());
  EXPECT_EQ(ReadFile(path), "") << "PyTorch needs a missing or an empty file";
}

TEST_F(SimEnvironment, WorkersGetNoFileDescriptorsOfTheAgent) {
  Run({{"--nnodes", "1"}, {"--nproc-per-node", "1"}}, Shell("ls /proc/$$/fd"));
  EXPECT_EQ(Out(0), "0\n1\n2\n");
}

TEST_F(SimEnvironment, WorkersHaveDefaultSignals) {
  Run({{"--nnodes", "1"}, {"--nproc-per-node", "1"}},
      {"cat", "/proc/self/status"});
  EXPECT_THAT(Out(0), HasSubstr("\nSigBlk:\t0000000000000000\n"));
  EXPECT_THAT(Out(0), HasSubstr("\nSigIgn:\t0000000000000000\n"));
}

TEST_F(SimEnvironment, TheTokenStaysWithTheAgents) {
  const std::string token = "correct-horse-battery-staple-4711-0815-2342";
  Command command = {
      .argv = MusterArgv("sim", TwoByTwo(),
                         Shell("tr '\\0' '\\n' </proc/self/environ;"
                               "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n';"
                               "echo asked; read line <$SHARED/go.$RANK")),
      .cwd = directory_.path()};
  command.env["MUSTER_TOKEN"] = token;
  command.env["SHARED"] = directory_.path();
  for (int rank = 0; rank < 4; ++rank) {
    MustRun({.argv = {"mkfifo", directory_.File(absl::StrCat("go.", rank))}});
  }
  Subprocess sim(command);
  for (int rank = 0; rank < 4; ++rank) {
    ASSERT_TRUE(sim.WaitForOutput(absl::StrCat("[", rank, "] asked")))
        << sim.Text();
  }
  for (const Process& process : sim.Family()) {
    for (const std::string& word : process.command) {
      EXPECT_THAT(word, Not(HasSubstr(token))) << process;
    }
    for (const std::string& variable : process.environment) {
      EXPECT_THAT(variable, Not(HasSubstr(token))) << process;
    }
  }
  for (int rank = 0; rank < 4; ++rank) {
    WriteFile(directory_.File(absl::StrCat("go.", rank)), "go\n");
  }
  EXPECT_EQ(sim.Wait(), Code(0)) << sim.Text();
  EXPECT_THAT(sim.Out() + sim.Err(), Not(HasSubstr(token)));
  const std::vector<std::string> files = FilesBelow(directory_.path());
  EXPECT_GE(files.size(), 4u);
  for (const std::string& file : files) {
    EXPECT_THAT(ReadFile(directory_.File(file)), Not(HasSubstr(token))) << file;
  }
}

}  // namespace
}  // namespace muster::test
