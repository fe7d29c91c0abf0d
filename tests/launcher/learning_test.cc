// What `muster run` takes from the environment, and what wins over it.
#include "launcher/learning.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/command_line.h"
#include "tests/env/schedulers/case_file.h"

namespace muster::launcher {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;

using Strings = std::vector<std::string>;

const Variables kSlurm = {{"MUSTER_TOKEN", "t"},
                          {"SLURM_JOB_ID", "1234"},
                          {"SLURM_STEP_ID", "0"},
                          {"SLURM_PROCID", "2"},
                          {"SLURM_NODEID", "2"},
                          {"SLURM_STEP_NUM_NODES", "4"},
                          {"SLURM_STEP_NODELIST", "tux[1-4]"}};

const Variables kRanks = {{"MUSTER_TOKEN", "t"},
                          {"RANK", "1"},
                          {"WORLD_SIZE", "2"},
                          {"MASTER_ADDR", "job-master-0"},
                          {"MASTER_PORT", "23456"}};

class Learning : public ::testing::Test {
 protected:
  // `muster run FLAGS -- x` in this environment.
  CommandLine Parse(const std::string& flags, const Variables& variables) {
    Strings arguments = {"run"};
    for (const std::string& flag :
         Strings(absl::StrSplit(flags, ' ', absl::SkipEmpty()))) {
      arguments.push_back(flag);
    }
    arguments.insert(arguments.end(), {"--", "x"});
    return ParseCommandLine(
        arguments, {variables, "tux3", {"10.0.0.3", "127.0.0.1"}, &files_});
  }

  RunCommand Run(const std::string& flags, const Variables& variables) {
    CommandLine line = Parse(flags, variables);
    warnings_ = line.warnings;
    sources_ = line.sources;
    if (auto* run = std::get_if<RunCommand>(&line.command)) return *run;
    ADD_FAILURE() << absl::StrJoin(std::get<UsageErrors>(line.command).mistakes,
                                   "\n");
    return {};
  }

  Strings Mistakes(const std::string& flags, const Variables& variables) {
    const CommandLine line = Parse(flags, variables);
    const auto* errors = std::get_if<UsageErrors>(&line.command);
    return errors == nullptr ? Strings() : errors->mistakes;
  }

  test::FakeFiles files_;
  Strings warnings_;
  std::map<std::string, std::string> sources_;
};

TEST_F(Learning, FillsInWhatNoFlagGives) {
  const RunCommand run = Run("", kSlurm);
  EXPECT_EQ(run.spec.agreement().min_nodes(), 4u);
  EXPECT_EQ(run.spec.agreement().max_nodes(), 4u);
  EXPECT_EQ(run.spec.agreement().job_id(), "1234.0");
  EXPECT_EQ(run.spec.node_rank(), 2u);
  EXPECT_EQ(run.spec.endpoint_host(), "tux1");
  EXPECT_EQ(run.spec.endpoint_port(), 22340u);
  EXPECT_THAT(
      run.learnt,
      ElementsAre("Slurm: 4 nodes, this is node 2, coordinator on tux1 port "
                  "22340 (SLURM_STEP_NUM_NODES=4, SLURM_NODEID=2, "
                  "SLURM_STEP_NODELIST=tux[1-4], SLURM_JOB_ID=1234)"));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(Learning, KeepsTheSourceOfEveryValue) {
  const RunCommand run = Run("--console none", kSlurm);
  ASSERT_TRUE(run.discovery.has_value());
  EXPECT_EQ(run.discovery->scheduler, "slurm");
  EXPECT_THAT(sources_,
              AllOf(Contains(Pair("nnodes", "SLURM_STEP_NUM_NODES=4")),
                    Contains(Pair("node-rank", "SLURM_NODEID=2")),
                    Contains(Pair("rdzv-endpoint",
                                  "SLURM_STEP_NODELIST=tux[1-4], "
                                  "SLURM_JOB_ID=1234")),
                    Contains(Pair("console", "--console none")),
                    Not(Contains(Pair("heartbeat", ::testing::_)))));
  Variables variables = kSlurm;
  variables["MUSTER_NNODES"] = "4";
  Run("", variables);
  EXPECT_THAT(sources_, Contains(Pair("nnodes", "MUSTER_NNODES=4")));
}

TEST_F(Learning, AFlagBeatsAVariableBeatsTheScheduler) {
  Variables variables = kSlurm;
  variables["MUSTER_NNODES"] = "5";
  RunCommand run = Run("--rdzv-endpoint head:7", variables);
  EXPECT_EQ(run.spec.agreement().max_nodes(), 5u);
  EXPECT_EQ(run.spec.endpoint_host(), "head");
  EXPECT_EQ(run.spec.endpoint_port(), 7u);
  EXPECT_EQ(run.spec.node_rank(), 2u);
  // No error, but told.
  EXPECT_THAT(run.learnt,
              ElementsAre(AllOf(
                  StartsWith("Slurm: 4 nodes, this is node 2"),
                  HasSubstr("; MUSTER_NNODES=5 is used, not 4; "
                            "--rdzv-endpoint head:7 is used, not tux1"))));

  run = Run("--nnodes 3 --node-rank 0 --rdzv-id j", variables);
  EXPECT_EQ(run.spec.agreement().max_nodes(), 3u);
  EXPECT_EQ(run.spec.agreement().job_id(), "j");
  EXPECT_EQ(run.spec.node_rank(), 0u);
  EXPECT_THAT(run.learnt,
              ElementsAre(HasSubstr("; --nnodes 3 is used, not 4; "
                                    "--node-rank 0 is used, not 2")));
}

TEST_F(Learning, ANodeThatHasNoRoomIsAMistake) {
  EXPECT_THAT(Mistakes("--nnodes 2", kSlurm),
              ElementsAre("SLURM_NODEID=2: this is node 2, and --nnodes 2 has "
                          "no room for it; start fewer agents, or give "
                          "--node-rank"));
}

TEST_F(Learning, OneNodeNeedsNeitherRankNorPlaceToMeet) {
  const RunCommand run = Run("--nnodes 1", kSlurm);
  EXPECT_FALSE(run.spec.has_node_rank());
  EXPECT_EQ(run.spec.endpoint_host(), "");
}

TEST_F(Learning, RanksFollowNamesWhereTheEndpointIsAnotherNodes) {
  const RunCommand run = Run("--rdzv-endpoint tux2", kSlurm);
  EXPECT_FALSE(run.spec.has_node_rank());
  EXPECT_THAT(run.learnt, ElementsAre(HasSubstr("node 0 is not at tux2")));
}

TEST_F(Learning, NoneLeavesTheEnvironmentAlone) {
  Variables variables = kSlurm;
  variables["TORCHELASTIC_RUN_ID"] = "x";
  const RunCommand run = Run("--scheduler none", variables);
  EXPECT_EQ(run.spec.agreement().max_nodes(), 1u);
  EXPECT_THAT(run.learnt, IsEmpty());
  EXPECT_FALSE(run.discovery.has_value());
  variables["MUSTER_SCHEDULER"] = "none";
  EXPECT_EQ(Run("", variables).spec.agreement().max_nodes(), 1u);
}

TEST_F(Learning, ASchedulerThatIsNamedMustBeThere) {
  EXPECT_THAT(Mistakes("--scheduler sagemaker --nnodes 1", kSlurm),
              ElementsAre(StartsWith("--scheduler sagemaker: it is not here")));
  Variables variables = kSlurm;
  variables["PET_NNODES"] = "2";
  EXPECT_EQ(Run("--scheduler slurm", variables).spec.agreement().max_nodes(),
            4u);
}

TEST_F(Learning, LauncherInLauncherIsRefusedWhateverIsGiven) {
  for (const char* flags :
       {"", "--nnodes 1", "--nnodes 2 --rdzv-endpoint h --node-rank 0"}) {
    EXPECT_THAT(
        Mistakes(flags, {{"MUSTER_TOKEN", "t"}, {"TORCHELASTIC_RUN_ID", "x"}}),
        ElementsAre(AllOf(StartsWith("TORCHELASTIC_RUN_ID=x: this is "
                                     "already a worker of torchrun"),
                          HasSubstr("--scheduler none"))))
        << flags;
    EXPECT_THAT(
        Mistakes(flags, {{"MUSTER_TOKEN", "t"}, {"MUSTER_RUN_ID", "r"}}),
        ElementsAre(StartsWith("MUSTER_RUN_ID=r: this is already a worker of "
                               "muster")))
        << flags;
  }
}

TEST_F(Learning, TheSecondTaskOfANodeIsRefusedWhateverIsGiven) {
  Variables variables = kSlurm;
  variables["SLURM_STEP_TASKS_PER_NODE"] = "2(x4)";
  variables["SLURM_LOCALID"] = "1";
  for (const char* flags : {"", "--nnodes 4 --rdzv-endpoint h"}) {
    EXPECT_THAT(Mistakes(flags, variables),
                ElementsAre(AllOf(StartsWith("SLURM_LOCALID=1"),
                                  HasSubstr("--ntasks-per-node=1"))))
        << flags;
  }
  variables["SLURM_LOCALID"] = "0";
  Run("", variables);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("--ntasks-per-node=1")));
}

TEST_F(Learning, ContradictionsStopWithBothValues) {
  Variables variables = kSlurm;
  variables["PET_NNODES"] = "2";
  EXPECT_THAT(
      Mistakes("", variables),
      ElementsAre(AllOf(HasSubstr("says 2 nodes (PET_NNODES=2)"),
                        HasSubstr("says 4 nodes (SLURM_STEP_NUM_NODES=4)"),
                        HasSubstr("--scheduler slurm"))));
}

TEST_F(Learning, WhatIsNotNeededMayBeWrong) {
  Variables variables = kSlurm;
  variables["SLURM_STEP_NODELIST"] = "tux[1-";
  EXPECT_THAT(Mistakes("", variables),
              ElementsAre(AllOf(HasSubstr("SLURM_STEP_NODELIST=tux[1-: "),
                                HasSubstr("--scheduler none"))));
  EXPECT_THAT(Mistakes("--nnodes 4", variables),
              ElementsAre(HasSubstr("SLURM_STEP_NODELIST=tux[1-: ")));
  for (const char* flags : {"--nnodes 1", "--nnodes 4 --rdzv-endpoint tux1"}) {
    EXPECT_FALSE(Run(flags, variables).spec.has_node_rank());
    EXPECT_THAT(
        warnings_,
        ElementsAre(StartsWith("not used: SLURM_STEP_NODELIST=tux[1-: ")));
  }
}

TEST_F(Learning, AnIndexWithoutACountNeedsTheCount) {
  Variables variables = {{"MUSTER_TOKEN", "t"}, {"JOB_COMPLETION_INDEX", "1"}};
  EXPECT_THAT(
      Mistakes("", variables),
      ElementsAre(StartsWith("JOB_COMPLETION_INDEX=1: Kubernetes gives a pod "
                             "its index and no count")));
  EXPECT_THAT(Mistakes("--nnodes 2", variables),
              ElementsAre(AllOf(StartsWith("more than one node needs "
                                           "--rdzv-endpoint"),
                                HasSubstr("headless Service"))));
  files_.texts["/etc/hosts"] = "10.1.0.9 tux3-1.svc.ns tux3-1\n";
  const CommandLine line = ParseCommandLine({"run", "--nnodes", "2", "--", "x"},
                                            {variables, "tux3-1", {}, &files_});
  const auto* run = std::get_if<RunCommand>(&line.command);
  ASSERT_NE(run, nullptr);
  EXPECT_EQ(run->spec.node_rank(), 1u);
  EXPECT_EQ(run->spec.endpoint_host(), "tux3-0.svc.ns");
  EXPECT_EQ(run->spec.endpoint_port(), 29400u);
}

TEST_F(Learning, RankAndWorldSizeAreNeverGuessed) {
  EXPECT_THAT(Mistakes("", kRanks),
              ElementsAre(AllOf(HasSubstr("RANK=1 and WORLD_SIZE=2"),
                                HasSubstr("--env-level=node"),
                                HasSubstr("--env-level=process"))));
  const RunCommand node = Run("--env-level=node", kRanks);
  EXPECT_EQ(node.spec.agreement().max_nodes(), 2u);
  EXPECT_EQ(node.spec.node_rank(), 1u);
  EXPECT_EQ(node.spec.endpoint_host(), "job-master-0");
  EXPECT_EQ(node.spec.endpoint_port(), 23456u);
  Variables variables = kRanks;
  variables["MUSTER_ENV_LEVEL"] = "process";
  EXPECT_EQ(Run("", variables).spec.agreement().max_nodes(), 1u);
  // Not needed, so nothing to ask.
  EXPECT_EQ(Run("--nnodes 1", kRanks).spec.agreement().max_nodes(), 1u);
}

TEST_F(Learning, WorkersPerNodeAreTakenOver) {
  const Variables variables = {{"PET_NNODES", "1"},
                               {"PET_NPROC_PER_NODE", "8"}};
  EXPECT_EQ(Run("", variables).spec.worker_count(), 8u);
  EXPECT_EQ(Run("--nproc-per-node 2", variables).spec.worker_count(), 2u);
  EXPECT_THAT(
      Mistakes("", {{"PET_NNODES", "1"}, {"PET_NPROC_PER_NODE", "many"}}),
      ElementsAre(StartsWith("PET_NPROC_PER_NODE=many: many for "
                             "--nproc-per-node must be a number")));
}

TEST_F(Learning, AHostFileIsTheUsersWord) {
  files_.texts["hosts"] = "tux5\ntux3 slots=8\n";
  const RunCommand run = Run("--host-file hosts", kSlurm);
  EXPECT_EQ(run.spec.agreement().max_nodes(), 2u);
  EXPECT_EQ(run.spec.node_rank(), 1u);
  EXPECT_EQ(run.spec.endpoint_host(), "tux5");
  EXPECT_THAT(
      run.learnt,
      ElementsAre("Host file: 2 nodes, this is node 1, coordinator on tux5 "
                  "(hosts)",
                  HasSubstr("; hosts is used, not 4; hosts is used, not tux1; "
                            "hosts is used, not 2")));
}

TEST_F(Learning, AHostFileFindsThisNodeByWhatTheUserCallsIt) {
  files_.texts["hosts"] = "10.0.0.9\n10.0.0.3\n127.0.0.1\nalias\n";
  const Variables token = {{"MUSTER_TOKEN", "t"}};
  EXPECT_EQ(Run("--host-file hosts", token).spec.node_rank(), 1u);
  EXPECT_EQ(
      Run("--host-file hosts --advertise 10.0.0.9", token).spec.node_rank(),
      0u);
  EXPECT_EQ(Run("--host-file hosts --host-name alias", token).spec.node_rank(),
            3u);
  EXPECT_EQ(Run("--host-file hosts --node-rank 2", token).spec.node_rank(), 2u);
}

TEST_F(Learning, AHostFileThatIsWrongIsNamed) {
  const Variables token = {{"MUSTER_TOKEN", "t"}};
  EXPECT_THAT(Mistakes("--host-file none", token),
              ElementsAre("--host-file none: there is no such file"));
  files_.texts["hosts"] = "a\nb\na\n";
  EXPECT_THAT(Mistakes("--host-file hosts", token),
              ElementsAre("--host-file hosts: line 3: the host a is already in "
                          "line 1"));
  files_.texts["hosts"] = "a\nb\n";
  EXPECT_THAT(Mistakes("--host-file hosts", token),
              ElementsAre(AllOf(HasSubstr("this node is not there; it is tux3, "
                                          "10.0.0.3, 127.0.0.1"),
                                HasSubstr("--node-rank"))));
  files_.texts["hosts"] = "a\ntux3\n";
  EXPECT_THAT(Mistakes("--host-file hosts --nnodes 3", token),
              ElementsAre("--host-file hosts: names 2 hosts, and --nnodes 3 "
                          "says otherwise; leave one out"));
  EXPECT_THAT(Mistakes("--host-file hosts --nnodes 1:2", token), IsEmpty());
}

TEST_F(Learning, ADnsNameGoesWithACount) {
  const Variables token = {{"MUSTER_TOKEN", "t"}};
  const RunCommand run = Run("--nnodes 3 --host-dns workers.ns:29401", token);
  EXPECT_EQ(run.spec.host_dns(), "workers.ns");
  EXPECT_EQ(run.spec.endpoint_port(), 29401u);
  EXPECT_EQ(run.spec.endpoint_host(), "");
  EXPECT_THAT(Mistakes("--nnodes 2:3 --host-dns h", token),
              ElementsAre(HasSubstr("--host-dns waits for all addresses")));
  files_.texts["hosts"] = "tux3\n";
  for (const char* other : {"--rdzv-endpoint a", "--host-file hosts"}) {
    EXPECT_THAT(
        Mistakes(absl::StrCat("--nnodes 1 --host-dns h ", other), token),
        ElementsAre(HasSubstr("--host-dns excludes")))
        << other;
  }
  // The scheduler's count will do, and its endpoint is not used.
  const RunCommand slurm = Run("--host-dns h", kSlurm);
  EXPECT_EQ(slurm.spec.agreement().max_nodes(), 4u);
  EXPECT_EQ(slurm.spec.endpoint_host(), "");
}

TEST_F(Learning, ControlCharactersOfVariablesAreMadeHarmless) {
  Variables variables = kSlurm;
  variables["SLURM_STEP_NODELIST"] = "tux\x1b[2J[1-4]";
  for (const std::string& mistake : Mistakes("", variables)) {
    EXPECT_THAT(mistake,
                AllOf(HasSubstr("tux\\x1b[2J"), Not(HasSubstr("\x1b"))));
  }
  const RunCommand run = Run("--nnodes 1", variables);
  for (const std::string& warning : warnings_) {
    EXPECT_THAT(warning, Not(HasSubstr("\x1b")));
  }
  // A job id that cannot name a run names none.
  variables = kSlurm;
  variables["SLURM_JOB_ID"] = "1\x1b/..";
  const RunCommand odd = Run("", variables);
  EXPECT_EQ(odd.spec.agreement().job_id(), "");
  EXPECT_THAT(odd.learnt, ElementsAre(Not(HasSubstr("\x1b"))));
}

}  // namespace
}  // namespace muster::launcher
