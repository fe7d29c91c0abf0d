// The self-test of pretended GPUs, by hand and before a job; what becomes of
// the job where a node fails it, or goes away meanwhile.
#include <signal.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cluster/gpu_check.h"
#include "tests/support/eventually.h"
#include "tests/support/processes.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class NcclCheck : public GpuCheckTest {
 protected:
  // The same before a job of so many nodes.
  Command Job(
      const std::string& nnodes,
      const std::string& script = "echo rank $RANK of $WORLD_SIZE") const {
    Command command =
        Agent(Small({{"--nnodes", nnodes}, {"--fabric-timeout", "4s"}}),
              Shell(script));
    command.env.insert(environment_.begin(), environment_.end());
    return command;
  }
  // One GPU hangs, so the test goes on for a while after every host's probes
  // have started.
  void StartAndAwaitProbes() {
    MakeGpuHosts(3, 1, "hang-run@host1/0");
    StartAll(Check(Small({{"--fabric-timeout", "4s"}})));
    for (int host = 0; host < 3; ++host) {
      ASSERT_TRUE(Eventually([&] { return !ProbesOf(host).empty(); }))
          << agent(host).Text();
    }
  }
  std::vector<Process> ProbesOf(int host) {
    std::vector<Process> probes = agent(host).Family();
    std::erase_if(probes, [](const Process& process) {
      const auto& argv = process.command;
      return argv.size() < 2 || argv[1] != "fabric-probe" ||
             std::find(argv.begin(), argv.end(), "--inventory") != argv.end();
    });
    return probes;
  }
  // Also to those that take the place of others, until the test is over.
  void SignalProbesOf(int host, int signal) {
    EXPECT_TRUE(Eventually([&] {
      for (const Process& probe : ProbesOf(host)) kill(probe.pid, signal);
      return agent(0).Wait(absl::ZeroDuration()) != kRunning;
    })) << agent(0).Text();
  }
  std::vector<std::string> LeftOut(int host) const {
    std::vector<std::string> names;
    nlohmann::json report = ReportOn(host);
    for (const auto& node : report["left_out"]) {
      names.push_back(node["host"]);
    }
    return names;
  }
};

TEST_F(NcclCheck, OfHealthyGpusPasses) {
  MakeGpuHosts(4, 2);
  RunCheck(Code(0), Small());
  EXPECT_THAT(Findings(), IsEmpty()) << Seen();
  EXPECT_EQ(Fabric()["kind"], "nccl");
  ExpectNothingIsLeft();
}

TEST_F(NcclCheck, OfTwoNodesBlamesNeither) {
  MakeGpuHosts(2, 1, "error@host0-host1:2,no route");
  RunCheck(Code(76), Small());
  EXPECT_THAT(Findings(), ElementsAre("fail pair host0 host1")) << Seen();
  EXPECT_THAT(agent(0).Out(), HasSubstr("no route"));
}

TEST_F(NcclCheck, OfOneNodeNamesItsGpu) {
  MakeGpuHosts(1, 4, "wrong@host0/2");
  RunCheck(Code(75), Small());
  EXPECT_THAT(Findings(), ElementsAre("fail gpu host0/2")) << Seen();
}

TEST_F(NcclCheck, BlamesNobodyWhereNoPairWorks) {
  MakeGpuHosts(4, 1, "hang-init@host0-*;hang-init@host1-*;hang-init@host2-*");
  RunCheck(Code(76), Small({{"--fabric-timeout", "2s"}}));
  EXPECT_THAT(Findings(), ElementsAre("fail fabric")) << Seen();
}

TEST_F(NcclCheck, LeavesOutABadNodeBeforeTheJob) {
  MakeGpuHosts(3, 2, "wrong@host1/1");
  StartAll(Job("2:3"));
  ExpectAllEndWith(Code(0));
  EXPECT_THAT(agent(0).Out(), AllOf(HasSubstr("[0] rank 0 of 2"),
                                    HasSubstr("[1] rank 1 of 2")));
  for (int host = 0; host < 3; ++host) {
    EXPECT_THAT(LeftOut(host), ElementsAre("host1"));
  }
  EXPECT_THAT(agent(1).Err(), HasSubstr("the job starts without this node"));
  ExpectNothingIsLeft();
}

TEST_F(NcclCheck, LeavesOutTheNodeThatHostsTheCoordinator) {
  MakeGpuHosts(3, 1, "hang-run@host0/0");
  StartAll(Job("2:3"));
  ExpectAllEndWith(Code(0));
  EXPECT_THAT(LeftOut(0), ElementsAre("host0"));
  EXPECT_EQ(ReportOn(2).value("result", ""), "succeeded");
  ExpectNothingIsLeft();
}

TEST_F(NcclCheck, ASignalToTheHostThatIsLeftOutCancelsTheJob) {
  MakeGpuHosts(3, 1, "crash@host0/0:memory");
  StartAll(Job("2:3", "echo up; exec sleep 1000"));
  ASSERT_TRUE(agent(0).WaitForOutput("[1] up")) << agent(0).Text();
  agent(0).Signal(SIGINT);
  ExpectAllEndWith(Code(130));
  EXPECT_THAT(LeftOut(1), ElementsAre("host0"));
  ExpectNothingIsLeft();
}

TEST_F(NcclCheck, FailsAndNamesTheNodeWhereTooFewRemain) {
  MakeGpuHosts(3, 1, "crash@host2/0:run");
  StartAll(Job("3"));
  ExpectAllEndWith(Code(75));
  for (int host = 0; host < 3; ++host) {
    EXPECT_EQ(CauseText(ReportOn(host), "kind"), "fabric");
    EXPECT_EQ(CauseText(ReportOn(host), "host"), "host2");
    EXPECT_THAT(agent(host).Out(), Not(HasSubstr("rank")));
  }
  ExpectNothingIsLeft();
}

TEST_F(NcclCheck, NamesANodeWhoseAgentIsKilled) {
  StartAndAwaitProbes();
  agent(2).Signal(SIGKILL);
  EXPECT_EQ(agent(0).Wait(), Code(75)) << agent(0).Text();
  EXPECT_EQ(agent(1).Wait(), Code(75)) << agent(1).Text();
  EXPECT_THAT(Findings(), Contains("fail node host2")) << Seen();
  EXPECT_THAT(agent(1).Err(), HasSubstr("host2 was lost"));
  ExpectNothingIsLeft();
}

TEST_F(NcclCheck, NamesANodeWhoseAgentHangs) {
  StartAndAwaitProbes();
  agent(2).Signal(SIGSTOP);
  EXPECT_EQ(agent(0).Wait(), Code(75)) << agent(0).Text();
  EXPECT_EQ(agent(1).Wait(), Code(75)) << agent(1).Text();
  EXPECT_THAT(Findings(), Contains("fail node host2")) << Seen();
  agent(2).Signal(SIGCONT);
  EXPECT_EQ(agent(2).Wait(), Code(75)) << agent(2).Text();
  ExpectNothingIsLeft();
}

TEST_F(NcclCheck, NamesANodeWhoseCableIsPulled) {
  StartAndAwaitProbes();
  hosts_->Partition(2);
  ExpectAllEndWith(Code(75));
  EXPECT_THAT(Findings(), Contains("fail node host2")) << Seen();
  ExpectNothingIsLeft();
}

TEST_F(NcclCheck, TellsAProbeThatIsStoppedFromOneThatIsKilled) {
  for (const auto& [signal, what] :
       {std::pair(SIGSTOP, "stopped"), std::pair(SIGKILL, "killed")}) {
    MakeGpuHosts(3, 1);
    StartAll(Check(Small()));
    SignalProbesOf(1, signal);
    ExpectAllEndWith(Code(75));
    EXPECT_THAT(Findings(), ElementsAre("fail gpu host1/0")) << Seen();
    EXPECT_THAT(agent(0).Out(), HasSubstr(what));
    ExpectNothingIsLeft();
    Reset();
  }
}

TEST_F(NcclCheck, IsCancelledByASignalToAnyNode) {
  StartAndAwaitProbes();
  agent(1).Signal(SIGINT);
  ExpectAllEndWith(Code(130));
  for (int host = 0; host < 3; ++host) {
    EXPECT_EQ(ReportOn(host).value("result", ""), "cancelled");
  }
  ExpectNothingIsLeft();
}

}  // namespace
}  // namespace muster::test
