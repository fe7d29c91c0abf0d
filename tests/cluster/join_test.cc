// Agents that find each other, in any order, and the ranks they get.
#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cluster/job.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Join : public JobTest {
 protected:
  static std::vector<std::string> SayWhere() {
    return Shell("echo $RANK on $(hostname)");
  }
  // The output that came home to the collector on `host`.
  std::string Out(int host, int rank) const {
    return FileOfRun(host, absl::StrCat("logs/", rank, ".stdout"));
  }
};

TEST_F(Join, TheCoordinatorMayComeLast) {
  MakeHosts(3);
  const Command command = Agent({}, SayWhere());
  for (const int host : {2, 1}) {
    Start(host, command);
    ASSERT_TRUE(agent(host).WaitForOutput("10.77.0.1")) << agent(host).Text();
  }
  Start(0, command);
  ExpectAllEndWith(Code(0));
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(Out(0, rank), absl::StrCat(rank, " on host", rank, "\n"));
  }
}

TEST_F(Join, TheCoordinatorMayComeFirst) {
  MakeHosts(3);
  const Command command = Agent({}, SayWhere());
  Start(0, command);
  ASSERT_TRUE(agent(0).WaitForOutput("1 of 3")) << agent(0).Text();
  Start(1, command);
  ASSERT_TRUE(agent(0).WaitForOutput("2 of 3")) << agent(0).Text();
  Start(2, command);
  ExpectAllEndWith(Code(0));
  EXPECT_EQ(Out(0, 2), "2 on host2\n");
}

TEST_F(Join, OnlyTheFirstNodeEchoesTheWorkers) {
  MakeHosts(2);
  StartAll(Agent({{"--nproc-per-node", "2"}}, SayWhere()));
  ExpectAllEndWith(Code(0));
  for (int rank = 0; rank < 4; ++rank) {
    EXPECT_THAT(agent(0).Out(),
                HasSubstr(absl::StrCat("[", rank, "] ", rank, " on host",
                                       rank / 2, "\n")));
  }
  EXPECT_EQ(agent(1).Out(), "");
}

TEST_F(Join, ANameMayResolveLate) {
  MakeHosts(2);
  hosts_->Forget(1, "host0");
  const Command command = Agent({}, SayWhere());
  Start(1, command);
  ASSERT_TRUE(agent(1).WaitForOutput("host0")) << agent(1).Text();
  Start(0, command);
  ASSERT_TRUE(agent(0).WaitForOutput("1 of 2")) << agent(0).Text();
  hosts_->Learn(1, "host0");
  ExpectAllEndWith(Code(0));
}

TEST_F(Join, TheCoordinatorsOwnNameMayResolveLate) {
  MakeHosts(2);
  hosts_->Forget(0, "host0");
  StartAll(Agent({}, SayWhere()));
  ASSERT_TRUE(agent(0).WaitForOutput("host0")) << agent(0).Text();
  hosts_->Learn(0, "host0");
  ExpectAllEndWith(Code(0));
}

TEST_F(Join, ANameOfAllNodesIsAwaitedUntilAllAreThere) {
  MakeHosts(3);
  // As a headless Service fills up.
  hosts_->Publish(0, "workers", 2);
  StartAll(Agent({{"--host-dns", "workers:4242"}}, SayWhere()));
  ASSERT_TRUE(agent(0).WaitForOutput(
      "2 of 3 addresses are there: 10.77.0.1, 10.77.0.2"))
      << agent(0).Text();
  for (const int host : {2, 1, 0}) hosts_->Publish(host, "workers", 3);
  ExpectAllEndWith(Code(0));
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_EQ(Out(0, rank), absl::StrCat(rank, " on host", rank, "\n"));
  }
  EXPECT_THAT(agent(2).Err(), HasSubstr("meeting at 10.77.0.1:4242"));
}

TEST_F(Join, ANameOfTooFewNodesEndsAtTheTimeout) {
  MakeHosts(2);
  hosts_->Publish(1, "workers", 1);
  Start(1, Agent({{"--host-dns", "workers"}, {"--rdzv-timeout", "300ms"}},
                 SayWhere()));
  EXPECT_EQ(agent(1).Wait(), Code(69)) << agent(1).Text();
  EXPECT_THAT(agent(1).Err(),
              HasSubstr("--host-dns workers: not all nodes had an address "
                        "within --rdzv-timeout; the last attempt: name: 1 of "
                        "2 addresses are there: 10.77.0.1"));
}

TEST_F(Join, HostsAreOrderedAsPeopleCount) {
  MakeHosts({"host10", "host2", "host1"});
  StartAll(Agent({}, SayWhere()));
  ExpectAllEndWith(Code(0));
  EXPECT_EQ(Out(0, 0), "0 on host1\n");
  EXPECT_EQ(Out(0, 1), "1 on host2\n");
  EXPECT_EQ(Out(0, 2), "2 on host10\n");
}

TEST_F(Join, ExplicitNodeRanksBeatTheOrderOfNames) {
  MakeHosts(3);
  const std::vector<std::string> ranks = {"2", "0", "1"};
  for (int host = 0; host < 3; ++host) {
    Start(host,
          Agent({{"--rdzv-endpoint", "host1"}, {"--node-rank", ranks[host]}},
                SayWhere()));
  }
  ExpectAllEndWith(Code(0));
  EXPECT_EQ(Out(1, 0), "0 on host1\n");
  EXPECT_EQ(Out(1, 1), "1 on host2\n");
  EXPECT_EQ(Out(1, 2), "2 on host0\n");
}

TEST_F(Join, NodesMayHaveDifferentNumbersOfWorkers) {
  MakeHosts(2);
  Start(0, Agent({{"--nproc-per-node", "1"}}, SayWhere()));
  Start(1, Agent({{"--nproc-per-node", "3"}}, SayWhere()));
  ExpectAllEndWith(Code(0));
  EXPECT_EQ(Out(0, 0), "0 on host0\n");
  EXPECT_EQ(Out(0, 3), "3 on host1\n");
}

TEST_F(Join, MasterAddressIsWhereRankZeroCanBeReached) {
  MakeHosts(2);
  StartAll(
      Agent({{"--rdzv-endpoint", "10.77.0.1:4242"}}, {"echo", "$MASTER_ADDR"}));
  ExpectAllEndWith(Code(0));
  EXPECT_EQ(Out(0, 0), "10.77.0.1\n");
  EXPECT_EQ(Out(0, 1), "10.77.0.1\n");
}

TEST_F(Join, ASurplusAgentIsASpareAndEndsWithTheJobsCode) {
  MakeHosts(3);
  const Command command =
      Agent({{"--nnodes", "2"}},
            Shell("echo up; until [ -e go ]; do sleep 0.01; done; exit 7"));
  Start(0, command);
  Start(1, command);
  ASSERT_TRUE(agent(0).WaitForOutput("[0] up")) << agent(0).Text();
  ASSERT_TRUE(agent(0).WaitForOutput("[1] up")) << agent(0).Text();
  Start(2, command);
  ASSERT_TRUE(agent(2).WaitForOutput("spare")) << agent(2).Text();
  for (int host = 0; host < 2; ++host) {
    WriteFile(hosts_->Directory(host) + "/go", "");
  }
  ExpectAllEndWith(Code(7));
}

TEST_F(Join, TwoJobsRunOnTheSameHostsAtOnce) {
  MakeHosts(2);
  std::vector<std::unique_ptr<Subprocess>> others;
  const auto hold = Shell("echo up; until [ -e go ]; do sleep 0.01; done");
  StartAll(Agent({}, hold));
  for (int host = 0; host < 2; ++host) {
    others.push_back(std::make_unique<Subprocess>(hosts_->On(
        host, Agent({{"--rdzv-endpoint", "host0:29401"}, {"--rdzv-id", "2nd"}},
                    hold))));
  }
  for (Subprocess* first : {&agent(0), others[0].get()}) {
    ASSERT_TRUE(first->WaitForOutput("[0] up")) << first->Text();
    ASSERT_TRUE(first->WaitForOutput("[1] up")) << first->Text();
  }
  for (int host = 0; host < 2; ++host) {
    WriteFile(hosts_->Directory(host) + "/go", "");
  }
  ExpectAllEndWith(Code(0));
  for (const auto& other : others) EXPECT_EQ(other->Wait(), Code(0));
}

TEST_F(Join, AProxyThatLeadsNowhereIsNotAsked) {
  MakeHosts(2);
  Command command = Agent({}, SayWhere());
  for (const char* name : {"http_proxy", "https_proxy", "grpc_proxy",
                           "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"}) {
    command.env[name] = "http://10.77.0.99:3128";
  }
  StartAll(command);
  ExpectAllEndWith(Code(0));
}

TEST_F(Join, EveryNodesFilesComeHome) {
  MakeHosts(2);
  StartAll(Agent({}, Shell("mkdir -p outputs/deep logs;"
                           "hostname >outputs/deep/who; hostname >logs/who")));
  ExpectAllEndWith(Code(0));
  for (int node = 0; node < 2; ++node) {
    const std::string root = absl::StrCat("nodes/node", node);
    const std::string who = absl::StrCat("host", node, "\n");
    EXPECT_EQ(FileOfRun(0, root + "/outputs/deep/who"), who);
    EXPECT_EQ(FileOfRun(0, root + "/logs/who"), who);
  }
  EXPECT_TRUE(FilesBelow(hosts_->Directory(1) + "/muster-runs").empty());
}

TEST_F(Join, TheTokenStaysWithTheAgents) {
  MakeHosts(2);
  StartAll(Agent({}, Shell("tr '\\0' '\\n' </proc/self/environ; echo up;"
                           "until [ -e go ]; do sleep 0.01; done")));
  for (int rank = 0; rank < 2; ++rank) {
    ASSERT_TRUE(agent(0).WaitForOutput(absl::StrCat("[", rank, "] up")))
        << agent(0).Text();
  }
  for (int host = 0; host < 2; ++host) {
    for (const Process& process : agent(host).Family()) {
      for (const std::string& word : process.command) {
        EXPECT_THAT(word, Not(HasSubstr(kToken))) << process;
      }
      for (const std::string& variable : process.environment) {
        EXPECT_THAT(variable, Not(HasSubstr(kToken))) << process;
      }
    }
    WriteFile(hosts_->Directory(host) + "/go", "");
  }
  ExpectAllEndWith(Code(0));
  for (int host = 0; host < 2; ++host) {
    EXPECT_THAT(agent(host).Out() + agent(host).Err(), Not(HasSubstr(kToken)));
    const std::string& directory = hosts_->Directory(host);
    for (const std::string& file : FilesBelow(directory)) {
      EXPECT_THAT(ReadFile(directory + "/" + file), Not(HasSubstr(kToken)))
          << file;
    }
  }
  EXPECT_THAT(Out(0, 1), HasSubstr("RANK=1\n"));
}

TEST_F(Join, AgentsRunAsPidOneOfTheirContainers) {
  MakeHosts(2);
  // Each worker leaves an orphan behind and goes on when it was reaped.
  const Command command =
      Agent({}, Shell("(sh -c 'exit 3' & echo $! >orphan);"
                      "while [ -e /proc/$(cat orphan) ]; do :; done;"
                      "echo reaped"));
  Subprocess first(hosts_->AsPidOne(0, command));
  Subprocess second(hosts_->AsPidOne(1, command));
  EXPECT_EQ(first.Wait(), Code(0)) << first.Text();
  EXPECT_EQ(second.Wait(), Code(0)) << second.Text();
  EXPECT_EQ(Out(0, 0), "reaped\n");
  EXPECT_EQ(Out(0, 1), "reaped\n");
}

TEST_F(Join, PidOneStopsOnSigterm) {
  MakeHosts(1);
  Subprocess shell(hosts_->AsPidOne(
      0, Agent({}, Shell("trap 'echo saved; exit 0' TERM; echo up;"
                         "while :; do sleep 0.01; done"))));
  ASSERT_TRUE(shell.WaitForOutput("[0] up")) << shell.Text();
  pid_t one = 0;
  for (const Process& process : shell.Family()) {
    if (process.parent == shell.pid()) one = process.pid;
  }
  ASSERT_NE(one, 0);
  kill(one, SIGTERM);
  EXPECT_EQ(shell.Wait(), Code(143)) << shell.Text();
  EXPECT_EQ(Out(0, 0), "up\nsaved\n");
}

}  // namespace
}  // namespace muster::test
