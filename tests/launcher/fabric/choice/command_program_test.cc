#include "launcher/fabric/choice/command_program.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/fabric/choice/made_up_tree.h"

namespace muster::fabric::test {
namespace {

using ::testing::ResultOf;
using Kind = CommandProgram::Kind;
using Words = std::vector<std::string>;

class CommandProgramTest : public ::testing::Test {
 protected:
  CommandProgramTest() {
    tree_.Binary("usr/bin/python3.11");
    tree_.Link("usr/bin/python3", "python3.11");
    for (const char* name :
         {"env", "bash", "sh", "numactl", "nsys", "trainer"}) {
      tree_.Binary(std::string("usr/bin/") + name);
    }
    python_ = tree_.VirtualEnvironment("venv", "usr/bin/python3.11");
    tree_.Directory("work");
  }

  CommandProgram Find(const Words& command) const {
    return ProgramOf(command, variables_, tree_.At("work"));
  }
  // The path of its Python; "" where it is none.
  std::string PythonOf(const Words& command) const {
    const CommandProgram program = Find(command);
    return program.kind == Kind::kPython ? program.path : "";
  }

  MadeUpTree tree_;
  std::string python_;  // of the virtual environment, which PATH has first
  env::Variables variables_ = {
      {"PATH", tree_.At("venv/bin") + ":" + tree_.At("usr/bin")}};
};

TEST_F(CommandProgramTest, ANameIsLookedForInPath) {
  EXPECT_EQ(PythonOf({"python3", "train.py"}), python_);
  EXPECT_EQ(PythonOf({"python", "train.py"}), tree_.At("venv/bin/python"));
  EXPECT_EQ(PythonOf({"python3.11", "train.py"}),
            tree_.At("usr/bin/python3.11"));
  EXPECT_EQ(PythonOf({"python3.12", "train.py"}), "");
}

TEST_F(CommandProgramTest, AFileThatCannotBeExecutedIsPassedBy) {
  tree_.File("first/python3", MadeUpElf().Bytes());
  tree_.Directory("second/python3");
  variables_["PATH"] =
      tree_.At("first") + ":" + tree_.At("second") + ":" + tree_.At("usr/bin");
  EXPECT_EQ(PythonOf({"python3"}), tree_.At("usr/bin/python3"));
}

TEST_F(CommandProgramTest, APathIsTakenFromTheWorkingDirectory) {
  EXPECT_EQ(PythonOf({"../venv/bin/python3"}), python_);
  EXPECT_EQ(PythonOf({python_}), python_);
  variables_["PATH"] = "../usr/bin";
  EXPECT_EQ(PythonOf({"python3"}), tree_.At("usr/bin/python3"));
}

TEST_F(CommandProgramTest, EnvRunsWhatIsBehindItsFlags) {
  EXPECT_EQ(PythonOf({"env", "python3", "train.py"}), python_);
  EXPECT_EQ(PythonOf({"env", "-u", "X", "A=b", "C=", "python3"}), python_);
  EXPECT_EQ(PythonOf({"env", "-S", "python3 -u", "train.py"}), python_);
  EXPECT_EQ(PythonOf({"env", "-Spython3 -u"}), python_);
  EXPECT_EQ(PythonOf({"env"}), "");
  EXPECT_EQ(PythonOf({"env", "A=b"}), "");
}

TEST_F(CommandProgramTest, WhatEnvSetsCounts) {
  variables_["KEPT"] = "yes";
  variables_["GONE"] = "no";
  const CommandProgram program =
      Find({"env", "-u", "GONE", "LD_LIBRARY_PATH=/x",
            "PATH=" + tree_.At("usr/bin"), "python3"});
  EXPECT_EQ(program.path, tree_.At("usr/bin/python3"));
  EXPECT_EQ(program.variables, (env::Variables{{"KEPT", "yes"},
                                               {"LD_LIBRARY_PATH", "/x"},
                                               {"PATH", tree_.At("usr/bin")}}));
  EXPECT_EQ(Find({"env", "-i", "A=b", python_}).variables,
            (env::Variables{{"A", "b"}}));
}

TEST_F(CommandProgramTest, ProgramsThatRunOthersAreSeenThrough) {
  EXPECT_EQ(PythonOf({"numactl", "--cpunodebind", "0", "python3", "x.py"}),
            python_);
  EXPECT_EQ(PythonOf({"nsys", "profile", "-t", "cuda,nvtx", "env", "A=b",
                      "numactl", "-l", "python3"}),
            python_);
  EXPECT_EQ(Find({"numactl", "-s"}).kind, Kind::kUnknown);
}

TEST_F(CommandProgramTest, AScriptsPythonIsInItsFirstLine) {
  tree_.Program("venv/bin/torchrun",
                "#!" + tree_.At("venv/bin/python3") + "\nimport sys\n");
  EXPECT_EQ(PythonOf({"torchrun", "train.py"}), python_);
  tree_.Program("work/train.py",
                "#! " + tree_.At("usr/bin/env") + " python3\r\n");
  EXPECT_EQ(PythonOf({"./train.py"}), python_);
  tree_.Program("work/train.py",
                "#!" + tree_.At("usr/bin/env") + " -S python3 -u\n");
  EXPECT_EQ(PythonOf({"./train.py"}), python_);
}

TEST_F(CommandProgramTest, TheFirstLineMayBeTooLongForThePython) {
  const std::string rest = " \"$0\" \"$@\"\n' '''\nimport sys\n";
  tree_.Program("venv/bin/torchrun", "#!/bin/sh\n'''exec' " + python_ + rest);
  EXPECT_EQ(PythonOf({"torchrun"}), python_);
  tree_.Program("venv/bin/torchrun",
                "#!/bin/sh\n'''exec' \"" + python_ + "\"" + rest);
  EXPECT_EQ(PythonOf({"torchrun"}), python_);
}

TEST_F(CommandProgramTest, ShimsOfPyenvAreSeenThrough) {
  tree_.Program("pyenv/shims/python3",
                "#!/usr/bin/env bash\nset -e\nexec pyenv exec \"$0\" \"$@\"\n");
  const std::string old = tree_.Binary("pyenv/versions/3.9.1/bin/python3");
  const std::string young = tree_.Binary("pyenv/versions/3.12.0/bin/python3");
  variables_["PATH"] = tree_.At("pyenv/shims");
  EXPECT_EQ(PythonOf({"python3"}), "");
  tree_.File("pyenv/version", "3.9.1\n");
  EXPECT_EQ(PythonOf({"python3"}), old);
  tree_.File(".python-version", "3.12.0\n3.9.1\n");
  EXPECT_EQ(PythonOf({"python3"}), young);
  variables_["PYENV_VERSION"] = "3.9.1:3.12.0";
  EXPECT_EQ(PythonOf({"python3"}), old);
}

TEST_F(CommandProgramTest, AShellsTextTellsNothing) {
  EXPECT_EQ(Find({"bash", "-c", "python3 train.py"}).kind, Kind::kUnknown);
  EXPECT_EQ(Find({"env", "bash", "-c", "python3"}).kind, Kind::kUnknown);
  tree_.Program("work/run.sh", "#!/bin/bash -e\npython3 train.py\n");
  EXPECT_EQ(Find({"./run.sh"}).kind, Kind::kUnknown);
  tree_.Program("work/run", "python3 train.py\n");
  EXPECT_EQ(Find({"./run"}).kind, Kind::kUnknown);
}

TEST_F(CommandProgramTest, AnotherProgramIsWhatItIs) {
  const CommandProgram program = Find({"numactl", "-l", "trainer", "python3"});
  EXPECT_EQ(program.kind, Kind::kBinary);
  EXPECT_EQ(program.path, tree_.At("usr/bin/trainer"));
}

TEST_F(CommandProgramTest, NoCommandAndOneThatIsNotThereAreUnknown) {
  EXPECT_EQ(Find({}).kind, Kind::kUnknown);
  EXPECT_EQ(Find({""}).kind, Kind::kUnknown);
  EXPECT_EQ(Find({"$PYTHON", "train.py"}).kind, Kind::kUnknown);
  EXPECT_EQ(Find({"no-such-program"}).kind, Kind::kUnknown);
}

TEST_F(CommandProgramTest, AScriptThatNamesItselfComesToAnEnd) {
  const std::string path = tree_.At("work/self");
  tree_.Program("work/self", "#!" + path + "\n");
  EXPECT_EQ(Find({"./self"}).kind, Kind::kUnknown);
}

}  // namespace
}  // namespace muster::fabric::test
