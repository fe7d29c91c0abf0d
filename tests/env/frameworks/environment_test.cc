#include "env/frameworks/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "env/frameworks/azure.h"
#include "env/frameworks/jax.h"
#include "env/frameworks/open_mpi.h"
#include "env/frameworks/plain.h"
#include "env/frameworks/pytorch.h"
#include "tests/env/frameworks/placements.h"

namespace muster::env {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

Variables MustMake(Framework framework, const Placement& placement,
                   const EnvironmentSources& sources) {
  absl::StatusOr<Variables> made =
      WorkerEnvironment(framework, placement, sources);
  EXPECT_TRUE(made.ok()) << made.status();
  return made.value_or(Variables());
}

TEST(WorkerEnvironment, IsTheAgentsPlusTheContracts) {
  Variables expected = PytorchVariables(TwoByTwo(1, 0)).facts;
  expected.merge(PytorchVariables(TwoByTwo(1, 0)).defaults);
  expected.merge(AzureVariables(TwoByTwo(1, 0)).facts);
  expected.merge(AzureVariables(TwoByTwo(1, 0)).defaults);
  expected.merge(OpenMpiNames(TwoByTwo(1, 0)));
  expected["MUSTER_RUN_ID"] = "run7";
  expected["PATH"] = "/usr/bin";
  EXPECT_EQ(MustMake(FRAMEWORK_PYTORCH, TwoByTwo(1, 0),
                     {.inherited = {{"PATH", "/usr/bin"}}}),
            expected);
}

TEST(WorkerEnvironment, OfPlainHoldsNothingOfPytorchOrAzure) {
  Variables expected = PlainVariables(Alone()).facts;
  expected.merge(PlainVariables(Alone()).defaults);
  expected.merge(JaxVariables(Alone()));
  expected["MUSTER_RUN_ID"] = "run8";
  EXPECT_EQ(MustMake(FRAMEWORK_PLAIN, Alone(), {}), expected);
}

TEST(WorkerEnvironment, NeverHoldsTheToken) {
  const Variables inherited = {{"MUSTER_TOKEN", "s3cret"},
                               {"MUSTER_TOKEN_FILE", "/run/s3cret"},
                               {"MUSTER_NNODES", "2"},
                               {"MUSTER_RUN_ID", "s3cret"},
                               {"MUSTER_", "s3cret"}};
  for (Framework framework : {FRAMEWORK_PYTORCH, FRAMEWORK_PLAIN}) {
    const Variables made =
        MustMake(framework, TwoByTwo(0, 0), {.inherited = inherited});
    for (const auto& [name, value] : made) {
      if (name == "MUSTER_RUN_ID") continue;
      EXPECT_THAT(name, Not(HasSubstr("MUSTER_")));
      EXPECT_THAT(value, Not(HasSubstr("s3cret"))) << name;
    }
    EXPECT_THAT(made, Contains(Pair("MUSTER_RUN_ID", "run7")));
  }
}

TEST(WorkerEnvironment, ForgetsTheFactsOfAnOuterLauncher) {
  const Variables inherited = {{"RANK", "40"},
                               {"GROUP_RANK", "41"},
                               {"ROLE_NAME", "42"},
                               {"AZ_BATCHAI_TASK_INDEX", "43"},
                               {"TORCHELASTIC_RUN_ID", "44"},
                               {"TORCHELASTIC_ERROR_FILE", "45"},
                               {"TORCHELASTIC_TIMER_FILE", "46"},
                               {"TORCHELASTIC_USE_AGENT_STORE", "True"}};
  const Variables plain =
      MustMake(FRAMEWORK_PLAIN, Alone(), {.inherited = inherited});
  EXPECT_THAT(plain, Contains(Pair("RANK", "0")));
  EXPECT_THAT(plain, Not(Contains(Key(HasSubstr("TORCHELASTIC")))));
  EXPECT_THAT(plain, Not(Contains(Key("GROUP_RANK"))));
  EXPECT_THAT(plain, Not(Contains(Key("ROLE_NAME"))));
  EXPECT_THAT(plain, Not(Contains(Key("AZ_BATCHAI_TASK_INDEX"))));

  const Variables pytorch =
      MustMake(FRAMEWORK_PYTORCH, Alone(), {.inherited = inherited});
  EXPECT_THAT(pytorch, IsSupersetOf({Pair("RANK", "0"),
                                     Pair("AZ_BATCHAI_TASK_INDEX", "0"),
                                     Pair("TORCHELASTIC_RUN_ID", "run8")}));
  EXPECT_THAT(pytorch, AllOf(Not(Contains(Key("TORCHELASTIC_USE_AGENT_STORE"))),
                             Not(Contains(Key("TORCHELASTIC_ERROR_FILE")))));
}

TEST(WorkerEnvironment, ForgetsEveryFactOfEveryOtherContract) {
  Placement placement = TwoByTwo(1, 1);
  placement.one_gpu_each = true;
  Variables facts = PytorchVariables(placement).facts;
  facts.merge(AzureVariables(placement).facts);
  facts.merge(OpenMpiNames(placement));
  facts.merge(JaxVariables(placement));
  // Set anew, or a setting of the user's where it is not.
  facts.erase("CUDA_VISIBLE_DEVICES");
  Variables inherited;
  for (const auto& [name, value] : facts) inherited[name] = "stale";
  for (Framework framework :
       {FRAMEWORK_PYTORCH, FRAMEWORK_PLAIN, FRAMEWORK_MPI}) {
    for (const auto& [name, value] :
         MustMake(framework, Alone(), {.inherited = inherited})) {
      // mpirun's own names are mpirun's to set.
      if (framework == FRAMEWORK_MPI && name.rfind("OMPI_", 0) == 0) {
        EXPECT_EQ(value, "stale") << name;
      } else {
        EXPECT_NE(value, "stale") << name << " with " << framework;
      }
    }
  }
}

TEST(WorkerEnvironment, PassesOnWhatOnlyThePlatformKnows) {
  const Variables inherited = {{"AZUREML_RUN_ID", "experiment_1"},
                               {"AZUREML_EXPERIMENT_ID", "x"},
                               {"AZ_BATCHAI_INPUT_DATA", "/mnt/data"},
                               {"AZ_BATCHAI_JOB_TEMP", "/mnt/job"},
                               {"AZ_BATCHAI_SHARED_JOB_TEMP", "/mnt/shared"},
                               {"AZ_BATCH_NODE_ID", "tvm-1"}};
  EXPECT_THAT(
      MustMake(FRAMEWORK_PYTORCH, TwoByTwo(0, 0), {.inherited = inherited}),
      IsSupersetOf(inherited));
}

TEST(WorkerEnvironment, GivesTheDirectoriesThatWereAskedForInEveryFramework) {
  Placement placement = TwoByTwo(0, 0);
  placement.inputs = {{"DATA", "/data"}};
  placement.outputs = {{"MODEL", "/model"}};
  placement.shared_dir = "/shared";
  const Variables asked = {{"AZ_BATCHAI_INPUT_DATA", "/data"},
                           {"AZ_BATCHAI_OUTPUT_MODEL", "/model"},
                           {"AZ_BATCHAI_SHARED_JOB_TEMP", "/shared"}};
  for (Framework framework :
       {FRAMEWORK_PYTORCH, FRAMEWORK_PLAIN, FRAMEWORK_MPI}) {
    EXPECT_THAT(
        MustMake(framework, placement,
                 {.inherited = {{"AZ_BATCHAI_INPUT_DATA", "/other"},
                                {"AZ_BATCHAI_SHARED_JOB_TEMP", "/other"}}}),
        IsSupersetOf(asked));
  }
}

TEST(ExplainEnvironment, NamesTheSourceOfEachVariable) {
  Placement placement = TwoByTwo(0, 0);
  placement.inputs = {{"DATA", "/data"}};
  const absl::StatusOr<ExplainedVariables> explained = ExplainEnvironment(
      FRAMEWORK_PYTORCH, placement,
      {.inherited = {{"HOME", "/"}, {"OMP_NUM_THREADS", "8"}, {"MINE", "x"}},
       .user = {{"MINE", "y"}}});
  ASSERT_TRUE(explained.ok()) << explained.status();
  const auto source = [&](const char* name) {
    const auto found = explained->find(name);
    return found == explained->end() ? "none" : found->second.source;
  };
  EXPECT_EQ(source("RANK"), "ranks");
  EXPECT_EQ(source("GROUP_RANK"), "torchrun");
  EXPECT_EQ(source("AZ_BATCHAI_TASK_INDEX"), "azure");
  EXPECT_EQ(source("AZ_BATCHAI_PYTORCH_INIT_METHOD"), "azure");
  EXPECT_EQ(source("OMPI_COMM_WORLD_RANK"), "azure");
  EXPECT_EQ(source("AZ_BATCHAI_INPUT_DATA"), "--input");
  EXPECT_EQ(source("MINE"), "--env");
  EXPECT_EQ(source("MUSTER_RUN_ID"), "muster");
  EXPECT_EQ(source("GLOO_SOCKET_IFNAME"), "default");
  EXPECT_EQ(source("OMP_NUM_THREADS"), "inherited");
  EXPECT_TRUE(explained->at("OMP_NUM_THREADS").known);
  EXPECT_EQ(source("HOME"), "inherited");
  EXPECT_FALSE(explained->at("HOME").known);
}

TEST(WorkerEnvironment, LeavesTheUsersSettingsAlone) {
  const Variables inherited = {{"GLOO_SOCKET_IFNAME", "ib1"},
                               {"NCCL_SOCKET_IFNAME", "^docker"},
                               {"OMP_NUM_THREADS", "8"},
                               {"PYTHONUNBUFFERED", ""},
                               {"TORCH_NCCL_ASYNC_ERROR_HANDLING", "3"}};
  EXPECT_THAT(
      MustMake(FRAMEWORK_PYTORCH, TwoByTwo(0, 0), {.inherited = inherited}),
      IsSupersetOf(inherited));
  EXPECT_THAT(MustMake(FRAMEWORK_PYTORCH, TwoByTwo(0, 0), {.user = inherited}),
              IsSupersetOf(inherited));
}

TEST(WorkerEnvironment, ObeysTheUserLast) {
  Placement placement = TwoByTwo(0, 1);
  placement.one_gpu_each = true;
  const Variables user = {{"CUDA_VISIBLE_DEVICES", "5"},
                          {"MASTER_PORT", "1"},
                          {"OMP_NUM_THREADS", "2"},
                          {"PATH", "/opt"}};
  EXPECT_THAT(
      MustMake(FRAMEWORK_PYTORCH, placement,
               {.inherited = {{"PATH", "/usr/bin"}, {"OMP_NUM_THREADS", "8"}},
                .user = user}),
      IsSupersetOf(user));
}

TEST(WorkerEnvironment, KeepsTheAgentsGpusUnlessEachWorkerHasItsOwn) {
  Placement placement = TwoByTwo(0, 1);
  const EnvironmentSources sources = {
      .inherited = {{"CUDA_VISIBLE_DEVICES", "2,GPU-5a"}}};
  EXPECT_THAT(MustMake(FRAMEWORK_PYTORCH, placement, sources),
              Contains(Pair("CUDA_VISIBLE_DEVICES", "2,GPU-5a")));
  placement.one_gpu_each = true;
  for (Framework framework : {FRAMEWORK_PYTORCH, FRAMEWORK_PLAIN}) {
    EXPECT_THAT(MustMake(framework, placement, sources),
                Contains(Pair("CUDA_VISIBLE_DEVICES", "GPU-5a")));
  }
}

TEST(WorkerEnvironment, RefusesFewerGpusThanWorkers) {
  Placement placement = TwoByTwo(1, 0);
  placement.one_gpu_each = true;
  placement.gpus = {"0"};
  const absl::Status status =
      WorkerEnvironment(FRAMEWORK_PYTORCH, placement, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("--gpu-binding one"), HasSubstr("node 1"),
                    HasSubstr("1 visible GPUs for 2 workers")));
}

TEST(WorkerEnvironment, RefusesAFrameworkThatNobodyChose) {
  EXPECT_EQ(
      WorkerEnvironment(FRAMEWORK_UNSPECIFIED, Alone(), {}).status().code(),
      absl::StatusCode::kInvalidArgument);
}

TEST(CheckUserVariables, AcceptsAnyOtherNameAndValue) {
  EXPECT_TRUE(
      CheckUserVariables(
          {{"A", ""}, {"b.c-d", "=x="}, {"\xff", "\xfe"}, {"XMUSTER_", "1"}})
          .ok());
}

TEST(CheckUserVariables, RefusesWhatNoWorkerMayHave) {
  const std::string nul("a\0b", 3);
  for (const Variables& bad :
       {Variables{{"MUSTER_TOKEN", "t"}}, Variables{{"MUSTER_RUN_ID", "r"}},
        Variables{{"", "v"}}, Variables{{"A=B", "v"}}, Variables{{nul, "v"}},
        Variables{{"A", nul}}}) {
    EXPECT_EQ(CheckUserVariables(bad).code(),
              absl::StatusCode::kInvalidArgument)
        << bad.begin()->first;
    EXPECT_EQ(WorkerEnvironment(FRAMEWORK_PLAIN, Alone(), {.user = bad})
                  .status()
                  .code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(CheckUserVariables, DoesNotShowTheValueThatItRefuses) {
  EXPECT_THAT(
      std::string(CheckUserVariables({{"MUSTER_TOKEN", "s3cret"}}).message()),
      AllOf(HasSubstr("MUSTER_TOKEN"), Not(HasSubstr("s3cret"))));
}

TEST(ParseEnvironment, KeepsTheFirstOfEqualNamesAndDropsNonsense) {
  const char* block[] = {"A=1", "B=", "A=2", "C=x=y", "=z", "D", nullptr};
  EXPECT_THAT(ParseEnvironment(block),
              ElementsAre(Pair("A", "1"), Pair("B", ""), Pair("C", "x=y")));
}

TEST(EnvironmentBlock, IsWhatParseEnvironmentReads) {
  EXPECT_THAT(EnvironmentBlock({{"B", "x=y"}, {"A", ""}, {"C", "\xff"}}),
              ElementsAre("A=", "B=x=y", "C=\xff"));
}

}  // namespace
}  // namespace muster::env
