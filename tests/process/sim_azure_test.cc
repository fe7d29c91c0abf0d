// Azure's contract as a script meets it: the helpers that everybody copied, the
// host file, directories by name.
#include <signal.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"
#include "tests/support/muster.h"
#include "tests/support/subprocess.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class SimAzure : public ::testing::Test {
 protected:
  static Flags TwoByTwo() {
    return {{"--nnodes", "2"}, {"--nproc-per-node", "2"}};
  }
  // Temporary directories of the job go to temp_, so that what is left is seen.
  Command Sim(const Flags& flags, const std::vector<std::string>& command,
              std::map<std::string, std::string> environment = {}) {
    environment["TMPDIR"] = temp_.path();
    return {.argv = MusterArgv("sim", flags, command),
            .env = std::move(environment),
            .cwd = directory_.path()};
  }
  void Run(const Command& command) {
    Subprocess sim(command);
    ASSERT_EQ(sim.Wait(), Code(0)) << sim.Text();
  }
  std::string Out(int rank) const {
    return ReadFile(absl::StrCat(RunDirectory(directory_.path()), "/logs/",
                                 rank, ".stdout"));
  }
  const TempDir directory_;
  const TempDir temp_;
};

// What scripts for MPI jobs do to find the master, in its two forms: (A) takes
// the port out of AZ_BATCH_MASTER_NODE, (B) keeps MASTER_PORT. Prints both, and
// what torchrun's names say.
constexpr char kHelpers[] = R"(
if [ "$OMPI_COMM_WORLD_LOCAL_SIZE" = "$OMPI_COMM_WORLD_SIZE" ]; then
  address=$AZ_BATCHAI_MPI_MASTER_NODE; a=54965; b=54965
else
  address=${AZ_BATCH_MASTER_NODE%%:*}
  a=${AZ_BATCH_MASTER_NODE#*:}
  b=${MASTER_PORT-6105}
fi
echo "$address $a $b"
echo "$MASTER_ADDR $MASTER_PORT"
echo "$((OMPI_COMM_WORLD_RANK / OMPI_COMM_WORLD_LOCAL_SIZE)) $NODE_RANK"
echo "$OMPI_COMM_WORLD_RANK $RANK $AZ_BATCHAI_TASK_INDEX"
echo "$OMPI_COMM_WORLD_SIZE $WORLD_SIZE"
echo "$OMPI_COMM_WORLD_LOCAL_RANK $LOCAL_RANK"
)";

TEST_F(SimAzure, BothFamiliesOfHelpersFindTheSameMaster) {
  Run(Sim(TwoByTwo(), Shell(kHelpers)));
  for (int rank = 0; rank < 4; ++rank) {
    const std::vector<std::string> lines = Lines(Out(rank));
    ASSERT_THAT(lines, SizeIs(6)) << Out(rank);
    const std::vector<std::string> master = absl::StrSplit(lines[1], ' ');
    ASSERT_THAT(master, SizeIs(2));
    EXPECT_THAT(master, Not(::testing::Contains("")));
    EXPECT_EQ(lines[0],
              absl::StrCat(master[0], " ", master[1], " ", master[1]));
    EXPECT_EQ(lines[1], Lines(Out(0))[1]);
    EXPECT_EQ(lines[2], absl::StrCat(rank / 2, " ", rank / 2));
    EXPECT_EQ(lines[3], absl::StrCat(rank, " ", rank, " ", rank));
    EXPECT_EQ(lines[4], "4 4");
    EXPECT_EQ(lines[5], absl::StrCat(rank % 2, " ", rank % 2));
  }
}

TEST_F(SimAzure, OnOneNodeTheHelpersFindLocalhost) {
  Run(Sim({{"--nproc-per-node", "2"}}, Shell(kHelpers)));
  EXPECT_THAT(Out(1), HasSubstr("localhost 54965 54965\n"));
  Run(Sim({{"--nproc-per-node", "2"}, {"--run-dir", "second"}},
          Shell("[ -z \"${AZ_BATCH_MASTER_NODE+set}\" ]"),
          {{"AZ_BATCH_MASTER_NODE", "10.0.0.4:6000"}}));
}

TEST_F(SimAzure, TheHostFileIsThereWhileTheJobRunsAndGoneAfterwards) {
  Run(Sim(
      TwoByTwo(),
      Shell("cat \"$AZ_BATCHAI_MPI_HOST_FILE\"; echo \"$AZ_BATCH_HOST_LIST\""
            "; echo \"$AZ_BATCH_NODE_LIST\"; echo \"$CCP_NODES\";"
            "echo kept >\"$AZ_BATCHAI_JOB_TEMP/of.$RANK\";"
            "mkdir \"$AZ_BATCHAI_JOB_TEMP/dir.$RANK\"")));
  for (int rank = 0; rank < 4; ++rank) {
    const std::vector<std::string> lines = Lines(Out(rank));
    ASSERT_THAT(lines, SizeIs(5)) << Out(rank);
    const std::vector<std::string> hosts = absl::StrSplit(lines[2], ',');
    ASSERT_THAT(hosts, SizeIs(2));
    EXPECT_EQ(lines[0], absl::StrCat(hosts[0], " slots=2"));
    EXPECT_EQ(lines[1], absl::StrCat(hosts[1], " slots=2"));
    EXPECT_EQ(lines[3], absl::StrCat(hosts[0], ";", hosts[1]));
    EXPECT_EQ(lines[4], absl::StrCat("2 ", hosts[0], " 2 ", hosts[1], " 2"));
  }
  EXPECT_THAT(FilesBelow(temp_.path()), IsEmpty());
  EXPECT_TRUE(std::filesystem::is_empty(temp_.path()));
}

TEST_F(SimAzure, TheTemporaryDirectoryGoesAfterAFailureToo) {
  Subprocess sim(Sim(TwoByTwo(), Shell("echo x >$AZ_BATCHAI_JOB_TEMP/x;"
                                       "[ $RANK != 2 ] || exit 5; sleep 60")));
  EXPECT_EQ(sim.Wait(), Code(5)) << sim.Text();
  EXPECT_TRUE(std::filesystem::is_empty(temp_.path()));
}

TEST_F(SimAzure, TheTemporaryDirectoryGoesWhenTheAgentIsKilled) {
  Command command = Sim({}, Shell("echo x >$AZ_BATCHAI_JOB_TEMP/x; echo up; "
                                  "sleep 60"));
  command.argv[1] = "run";
  Subprocess agent(command);
  ASSERT_TRUE(agent.WaitForOutput("[0] up")) << agent.Text();
  EXPECT_FALSE(std::filesystem::is_empty(temp_.path()));
  agent.Signal(SIGKILL);
  EXPECT_TRUE(Eventually([this] {
    return std::filesystem::is_empty(temp_.path());
  })) << agent.Text();
}

TEST_F(SimAzure, WithoutRoomForATemporaryDirectoryTheJobRunsAllTheSame) {
  Command command = Sim(
      {}, Shell("echo \"<$AZ_BATCHAI_JOB_TEMP$AZ_BATCHAI_MPI_HOST_FILE>\""));
  command.env["TMPDIR"] = "/no/such/place";
  Subprocess sim(command);
  EXPECT_EQ(sim.Wait(), Code(0)) << sim.Text();
  EXPECT_EQ(Out(0), "<>\n");
  EXPECT_THAT(sim.Err(), HasSubstr("warning: no temporary directory"));
}

TEST_F(SimAzure, DirectoriesAreGivenByName) {
  WriteFile(directory_.Dir("data") + "/words", "some words\n");
  Flags flags = TwoByTwo();
  flags["--input"] = "DATA=data/.";
  flags["--output"] = "MODEL=new/model";
  flags["--shared-dir"] = directory_.Dir("shared");
  Run(Sim(flags, {"/bin/sh", "-c",
                  "cat \"$1\" && pwd && echo \"$1\" && "
                  "echo $RANK >\"$AZ_BATCHAI_OUTPUT_MODEL/$RANK\" && "
                  "echo $RANK >\"$AZ_BATCHAI_SHARED_JOB_TEMP/$RANK\"",
                  "sh", "$AZ_BATCHAI_INPUT_DATA/words"}));
  for (int rank = 0; rank < 4; ++rank) {
    const std::vector<std::string> lines = Lines(Out(rank));
    ASSERT_THAT(lines, SizeIs(3)) << Out(rank);
    EXPECT_EQ(lines[0], "some words");
    EXPECT_EQ(lines[2], lines[1] + "/data/words")
        << "absolute, and this node's";
    EXPECT_TRUE(Exists(absl::StrCat(lines[1], "/new/model/", rank)));
    EXPECT_TRUE(Exists(absl::StrCat(directory_.path(), "/shared/", rank)));
  }
}

TEST_F(SimAzure, ADirectoryThatIsMissingEndsTheJobBeforeItsStart) {
  Flags flags = TwoByTwo();
  flags["--input"] = "DATA=missing";
  flags["--output"] = "MODEL=/proc/none/model";
  Subprocess sim(Sim(flags, {"touch", "started"}));
  EXPECT_EQ(sim.Wait(), Code(64)) << sim.Text();
  for (const char* part :
       {"node0 can't take part", "--input DATA=", "/missing: No such file",
        "--output MODEL=/proc/none/model: can't be made",
        "something of the kind on node1"}) {
    EXPECT_THAT(sim.Err(), HasSubstr(part));
  }
  for (const std::string& file : FilesBelow(directory_.path())) {
    EXPECT_THAT(file, Not(HasSubstr("started")));
  }
}

TEST_F(SimAzure, OneNodeRefusesAMissingDirectoryWithoutARun) {
  Subprocess muster(
      {.argv = MusterArgv("run", {{"--input", "DATA=missing"}}, {"true"}),
       .cwd = directory_.path()});
  EXPECT_EQ(muster.Wait(), Code(64)) << muster.Text();
  EXPECT_THAT(
      muster.Err(),
      HasSubstr(absl::StrCat("--input DATA=", directory_.path(), "/missing")));
  EXPECT_THAT(FilesBelow(directory_.path()), IsEmpty());
}

TEST_F(SimAzure, TheFileOfTheInitMethodGoesWithTheRun) {
  const std::string shared = directory_.Dir("shared");
  Flags flags = TwoByTwo();
  flags["--init-method"] = "file://" + shared;
  // As PyTorch leaves it behind when a job does not end well.
  Run(Sim(flags, Shell("file=${AZ_BATCHAI_PYTORCH_INIT_METHOD#file://};"
                       "echo \"$file\"; : >>\"$file\"")));
  EXPECT_THAT(Out(0), HasSubstr(shared + "/muster-"));
  EXPECT_EQ(Out(3), Out(0));
  EXPECT_THAT(FilesBelow(shared), IsEmpty());
}

// The names alone must not make an MPI library believe that mpirun is there,
// not even below an agent that mpirun has started.
TEST_F(SimAzure, AnMpiProgramIsAWorldOfItsOwnInEachWorker) {
  const std::string python = "/usr/bin/python3";
  Subprocess trial({.argv = {python, "-c", "import mpi4py.MPI"}});
  if (trial.Wait(absl::Seconds(60)) != Code(0)) {
    GTEST_SKIP() << "no mpi4py: " << trial.Text();
  }
  const std::vector<std::string> program = {
      python, "-c",
      // Open MPI 4.1.4 gives up where two of them make its directory at once.
      "import os, tempfile; "
      "os.environ['OMPI_MCA_orte_tmpdir_base'] = tempfile.mkdtemp(); "
      "from mpi4py import MPI; world = MPI.COMM_WORLD; "
      "print(world.Get_rank(), world.Get_size(), "
      "os.environ['OMPI_COMM_WORLD_RANK'], os.environ['RANK'])"};
  Run(Sim(TwoByTwo(), program));
  for (int rank = 0; rank < 4; ++rank) {
    EXPECT_EQ(Out(rank), absl::StrCat("0 1 ", rank, " ", rank, "\n"));
  }

  Subprocess mpirun({.argv = {"mpirun", "--version"}});
  if (mpirun.Wait() != Code(0)) GTEST_SKIP() << "no mpirun: " << mpirun.Text();
  const TempDir below;
  std::vector<std::string> argv = {"mpirun", "--allow-run-as-root",
                                   "--oversubscribe", "-n", "1"};
  for (const std::string& word :
       MusterArgv("run", {{"--nproc-per-node", "2"}}, program)) {
    argv.push_back(word);
  }
  Subprocess outer(
      {.argv = argv, .env = {{"TMPDIR", temp_.path()}}, .cwd = below.path()});
  EXPECT_EQ(outer.Wait(), Code(0)) << outer.Text();
  EXPECT_THAT(outer.Out(), HasSubstr("[0] 0 1 0 0\n"));
  EXPECT_THAT(outer.Out(), HasSubstr("[1] 0 1 1 1\n"));
}

}  // namespace
}  // namespace muster::test
