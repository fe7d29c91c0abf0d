// Every byte that workers write, on its way through two nodes to the run
// directory.
#include <memory>
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

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class SimOutput : public ::testing::Test {
 protected:
  // A job of two nodes with two workers each, run to its end with code 0.
  void Run(const std::string& script, Flags flags = {}) {
    flags.insert({{"--nnodes", "2"}, {"--nproc-per-node", "2"}});
    sim_ = std::make_unique<Subprocess>(
        Command{.argv = MusterArgv("sim", flags, Shell(script)),
                .cwd = directory_.path()});
    ASSERT_EQ(sim_->Wait(absl::Seconds(60)), Code(0)) << sim_->Text();
    run_ = RunDirectory(directory_.path());
    ASSERT_NE(run_, "") << "not one run in muster-runs" << sim_->Text();
  }
  std::string Log(const std::string& name) const {
    return ReadFile(absl::StrCat(run_, "/logs/", name));
  }

  const TempDir directory_;
  std::unique_ptr<Subprocess> sim_;
  std::string run_;
};

TEST_F(SimOutput, BothStreamsOfEveryRankComeHome) {
  Run("echo out $RANK; echo err $RANK >&2");
  for (int rank = 0; rank < 4; ++rank) {
    EXPECT_EQ(Log(absl::StrCat(rank, ".stdout")),
              absl::StrCat("out ", rank, "\n"));
    EXPECT_EQ(Log(absl::StrCat(rank, ".stderr")),
              absl::StrCat("err ", rank, "\n"));
  }
}

TEST_F(SimOutput, TheConsolePrefixesEveryLineWithItsRank) {
  Run("echo one $RANK; echo two $RANK; printf unfinished");
  const std::vector<std::string> lines = Lines(sim_->Out());
  for (int rank = 0; rank < 4; ++rank) {
    for (const std::string& text :
         {absl::StrCat("one ", rank), absl::StrCat("two ", rank),
          std::string("unfinished")}) {
      EXPECT_THAT(lines, Contains(absl::StrCat("[", rank, "] ", text)));
    }
  }
}

TEST_F(SimOutput, ACarriageReturnEndsALineForTheConsoleOnly) {
  Run("printf '10%%\\r20%%\\rdone\\n'", {{"--nnodes", "1"}});
  EXPECT_EQ(Log("0.stdout"), "10%\r20%\rdone\n");
  const std::vector<std::string> lines = Lines(sim_->Out());
  EXPECT_THAT(lines, Contains("[0] 10%"));
  EXPECT_THAT(lines, Contains("[1] done"));
}

TEST_F(SimOutput, TheConsoleCanBeOfTheFirstRankOnly) {
  Run("echo I am $RANK", {{"--console", "first"}});
  EXPECT_THAT(sim_->Out(), HasSubstr("[0] I am 0\n"));
  EXPECT_THAT(sim_->Out(), Not(HasSubstr("I am 1")));
  EXPECT_EQ(Log("3.stdout"), "I am 3\n");
}

TEST_F(SimOutput, TheConsoleCanBeQuiet) {
  Run("echo I am $RANK", {{"--console", "none"}});
  EXPECT_THAT(sim_->Out(), Not(HasSubstr("I am")));
  EXPECT_EQ(Log("0.stdout"), "I am 0\n");
}

TEST_F(SimOutput, BinaryOutputIsKeptByteForByte) {
  // 1 MiB in which every byte value occurs, no final newline, from each rank
  // something else.
  WriteFile(directory_.File("noise.py"),
            "import os, sys\n"
            "rank = int(os.environ['RANK'])\n"
            "block = bytes((i * 7 + rank) % 256 for i in range(256))\n"
            "sys.stdout.buffer.write(block * 4096 + b'x')\n"
            "sys.stderr.buffer.write(block * 64 + b'y')\n");
  Run("exec /usr/bin/python3 " + directory_.File("noise.py"),
      {{"--console", "none"}});
  for (int rank = 0; rank < 4; ++rank) {
    std::string block;
    for (int i = 0; i < 256; ++i) {
      block.push_back(static_cast<char>((i * 7 + rank) % 256));
    }
    std::string out;
    for (int i = 0; i < 4096; ++i) out += block;
    EXPECT_TRUE(Log(absl::StrCat(rank, ".stdout")) == out + "x");
    EXPECT_TRUE(Log(absl::StrCat(rank, ".stderr")) ==
                out.substr(0, 64 * 256) + "y");
  }
}

TEST_F(SimOutput, RanksArePaddedToTheWidthOfTheWorld) {
  Run("true", {{"--nnodes", "2"}, {"--nproc-per-node", "6"}});
  EXPECT_TRUE(Exists(run_ + "/logs/00.stdout"));
  EXPECT_TRUE(Exists(run_ + "/logs/11.stderr"));
  EXPECT_FALSE(Exists(run_ + "/logs/0.stdout"));
}

TEST_F(SimOutput, OutputsOfEachNodeComeHome) {
  Run("mkdir -p outputs/model;"
      "echo $RANK >outputs/model/rank$RANK; chmod 700 outputs/model/rank$RANK");
  // The nodes of a simulated job may share a directory or have one each: the
  // files of a node's own ranks must be there.
  for (int rank = 0; rank < 4; ++rank) {
    const std::string file = absl::StrCat(run_, "/nodes/node", rank / 2,
                                          "/outputs/model/rank", rank);
    EXPECT_EQ(ReadFile(file), absl::StrCat(rank, "\n")) << file;
  }
}

TEST_F(SimOutput, FilesInTheLogDirectoryComeHome) {
  Run("mkdir -p logs; echo step 1 >>logs/train-$RANK.log;"
      "echo step 2 >>logs/train-$RANK.log");
  for (int rank = 0; rank < 4; ++rank) {
    const std::string file = absl::StrCat(run_, "/nodes/node", rank / 2,
                                          "/logs/train-", rank, ".log");
    EXPECT_EQ(ReadFile(file), "step 1\nstep 2\n") << file;
  }
}

TEST_F(SimOutput, WithoutACollectorNothingIsKept) {
  Subprocess sim({.argv = MusterArgv("sim",
                                     {{"--nnodes", "2"},
                                      {"--nproc-per-node", "1"},
                                      {"--collector", "none"}},
                                     Shell("echo I am $RANK")),
                  .cwd = directory_.path()});
  EXPECT_EQ(sim.Wait(), Code(0)) << sim.Text();
  for (const std::string& file : FilesBelow(directory_.path())) {
    EXPECT_THAT(file, Not(HasSubstr(".stdout")));
  }
}

}  // namespace
}  // namespace muster::test
