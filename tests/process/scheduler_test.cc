// The real program, started as a scheduler would start it.
#include <map>
#include <memory>
#include <ostream>
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

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

using Variables = std::map<std::string, std::string>;

class Scheduler : public ::testing::Test {
 protected:
  // `muster run` in a directory of its own. Without GPUs, whatever there are.
  Command Agent(const std::string& directory, const Flags& flags,
                Variables variables,
                const std::vector<std::string>& command) const {
    variables.insert({{"MUSTER_TOKEN", kToken}, {"CUDA_VISIBLE_DEVICES", ""}});
    return {.argv = MusterArgv("run", flags, command),
            .env = variables,
            .cwd = directory_.Dir(directory)};
  }

  // What srun sets for one task on each of two nodes.
  static Variables Slurm(int node) {
    return {{"SLURM_JOB_ID", "1234"},
            {"SLURM_STEP_ID", "7"},
            {"SLURM_JOB_NAME", "train"},
            {"SLURM_PROCID", absl::StrCat(node)},
            {"SLURM_NODEID", absl::StrCat(node)},
            {"SLURM_LOCALID", "0"},
            {"SLURM_STEP_NUM_NODES", "2"},
            {"SLURM_STEP_TASKS_PER_NODE", "1(x2)"},
            {"SLURM_STEP_NODELIST", "127.0.0.[1-2]"}};
  }

  const TempDir directory_;
};

TEST_F(Scheduler, OneNodeOfSlurmRunsAlone) {
  Variables variables = Slurm(0);
  variables["SLURM_STEP_NUM_NODES"] = "1";
  variables["SLURM_STEP_NODELIST"] = "tux7";
  variables["SLURM_STEP_TASKS_PER_NODE"] = "1";
  Subprocess agent(
      Agent("n", {}, variables, Shell("echo $RANK of $WORLD_SIZE")));
  EXPECT_EQ(agent.Wait(), Code(0)) << agent.Text();
  EXPECT_THAT(agent.Out(), HasSubstr("[0] 0 of 1\n"));
  EXPECT_THAT(agent.Err(),
              HasSubstr("Slurm: 1 node (SLURM_STEP_NUM_NODES=1, "));
}

TEST_F(Scheduler, TwoNodesOfSlurmFindEachOtherByTheirVariables) {
  // The port would be the job's; a test takes one that is free. Names that sort
  // the other way show that the ranks are Slurm's.
  const std::string endpoint = absl::StrCat("127.0.0.1:", FreePort());
  std::vector<std::unique_ptr<Subprocess>> agents;
  for (const int node : {1, 0}) {
    agents.push_back(std::make_unique<Subprocess>(Agent(
        absl::StrCat("n", node),
        {{"--rdzv-endpoint", endpoint}, {"--host-name", node == 0 ? "z" : "a"}},
        Slurm(node), Shell("echo $RANK of $WORLD_SIZE on node $NODE_RANK"))));
  }
  for (const auto& agent : agents) {
    EXPECT_EQ(agent->Wait(), Code(0)) << agent->Text();
    EXPECT_THAT(agent->Err(), HasSubstr("Slurm: 2 nodes, this is node "));
  }
  EXPECT_THAT(agents[1]->Out(), AllOf(HasSubstr("[0] 0 of 2 on node 0\n"),
                                      HasSubstr("[1] 1 of 2 on node 1\n")));
  EXPECT_EQ(
      Report(directory_.path() + "/n0")["run_id"].get<std::string>().substr(0,
                                                                            7),
      "1234.7-");
}

TEST_F(Scheduler, TwoNodesOfAHostFileFindEachOther) {
  WriteFile(directory_.File("hosts"),
            "127.0.0.1 slots=1\n127.0.0.2:1 # the second\n");
  const std::string endpoint = absl::StrCat("127.0.0.1:", FreePort());
  std::vector<std::unique_ptr<Subprocess>> agents;
  for (const int node : {1, 0}) {
    agents.push_back(std::make_unique<Subprocess>(
        Agent(absl::StrCat("n", node),
              {{"--host-file", "../hosts"},
               {"--rdzv-endpoint", endpoint},
               {"--advertise", absl::StrCat("127.0.0.", node + 1)}},
              {}, Shell("echo $RANK of $WORLD_SIZE"))));
  }
  for (const auto& agent : agents) {
    EXPECT_EQ(agent->Wait(), Code(0)) << agent->Text();
  }
  EXPECT_THAT(agents[1]->Out(),
              AllOf(HasSubstr("[0] 0 of 2\n"), HasSubstr("[1] 1 of 2\n")));
}

TEST_F(Scheduler, AnAgentInAWorkerIsRefused) {
  Subprocess outer(
      Agent("n", {}, {}, {MusterBinary(), "run", "--", "echo", "inner"}));
  EXPECT_EQ(outer.Wait(), Code(64)) << outer.Text();
  EXPECT_THAT(outer.Err(), HasSubstr("this is already a worker of muster"));
  EXPECT_THAT(outer.Out(), Not(HasSubstr("inner")));
}

TEST_F(Scheduler, AnAgentInAWorkerRunsWhenItIsMeant) {
  Subprocess outer(Agent(
      "n", {}, {},
      {MusterBinary(), "run", "--scheduler", "none", "--", "echo", "inner"}));
  EXPECT_EQ(outer.Wait(), Code(0)) << outer.Text();
  EXPECT_THAT(outer.Out(), HasSubstr("inner"));
}

TEST_F(Scheduler, ASimulatedJobAsksNoScheduler) {
  Command command = Agent("n", {}, Slurm(0), {});
  command.argv = MusterArgv("sim", {{"--nnodes", "2"}},
                            Shell("echo $RANK of $WORLD_SIZE"));
  command.env["TORCHELASTIC_RUN_ID"] = "outer";
  command.env["PET_NNODES"] = "7";
  Subprocess sim(command);
  EXPECT_EQ(sim.Wait(), Code(0)) << sim.Text();
  EXPECT_THAT(sim.Out(), HasSubstr("[1] 1 of 2\n"));
}

struct Refusal {
  std::string name;
  Variables variables;
  std::string named;  // what the message has to name

  // What CTest shows of it.
  friend void PrintTo(const Refusal& refusal, std::ostream* out) {
    *out << refusal.name;
  }
};

class SchedulerRefusal : public Scheduler,
                         public ::testing::WithParamInterface<Refusal> {};

TEST_P(SchedulerRefusal, EndsWith64BeforeAnythingIsStarted) {
  Subprocess agent(Agent("n", {}, GetParam().variables, {"echo", "started"}));
  EXPECT_EQ(agent.Wait(), Code(64)) << agent.Text();
  EXPECT_THAT(agent.Err(), HasSubstr(GetParam().named));
  EXPECT_EQ(agent.Out(), "");
  EXPECT_TRUE(FilesBelow(directory_.path()).empty());
}

INSTANTIATE_TEST_SUITE_P(
    All, SchedulerRefusal,
    ::testing::Values(
        Refusal{"IndexWithoutCount",
                {{"JOB_COMPLETION_INDEX", "3"}},
                "JOB_COMPLETION_INDEX=3"},
        Refusal{"RanksThatMayBeEither",
                {{"RANK", "1"}, {"WORLD_SIZE", "2"}},
                "--env-level"},
        Refusal{"InTorchrun",
                {{"TORCHELASTIC_RUN_ID", "a\x1b[2J"}},
                "TORCHELASTIC_RUN_ID=a\\x1b[2J"},
        Refusal{"LayersThatContradict",
                {{"PET_NNODES", "2"}, {"AZUREML_NODE_COUNT", "3"}},
                "PET_NNODES=2"},
        Refusal{"MillionHosts",
                {{"SLURM_JOB_ID", "1"},
                 {"SLURM_STEP_ID", "0"},
                 {"SLURM_PROCID", "0"},
                 {"SLURM_NODEID", "0"},
                 {"SLURM_STEP_NODELIST", "tux[0-999999]"}},
                "SLURM_STEP_NODELIST=tux[0-999999]"},
        Refusal{"BatchScriptOfSeveralNodes",
                {{"SLURM_JOB_ID", "1"}, {"SLURM_JOB_NUM_NODES", "4"}},
                "srun"},
        Refusal{"TruncatedJson",
                {{"TF_CONFIG", "{\"cluster\":"}},
                "TF_CONFIG={\"cluster\":"}),
    [](const auto& param_info) { return param_info.param.name; });

}  // namespace
}  // namespace muster::test
