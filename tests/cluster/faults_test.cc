// Nodes that fail in the middle of a job on three hosts: the others stop soon
// and say whose fault it was, and nothing is left anywhere.
#include <signal.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cluster/job.h"

namespace muster::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The worker, its child, and a daemon in a session of its own.
constexpr char kFamily[] =
    "setsid sh -c 'exec sleep 1001' & sleep 1002 & echo up; wait";

class Faults : public JobTest {
 protected:
  // Three agents whose workers have all said "up" and wait.
  void StartJob(const std::string& script, const Flags& flags = {}) {
    MakeHosts(3);
    StartAll(Agent(flags, Shell(script)));
    for (int rank = 0; rank < 3; ++rank) {
      ASSERT_TRUE(agent(0).WaitForOutput(absl::StrCat("[", rank, "] up")))
          << agent(0).Text();
    }
  }
  // `host` ends with 75 and blames `lost`.
  void ExpectLost(int host, int lost) {
    EXPECT_EQ(agent(host).Wait(), Code(75)) << agent(host).Text();
    EXPECT_THAT(agent(host).Err(), HasSubstr(hosts_->Name(lost)));
    EXPECT_EQ(CauseText(ReportOn(host), "kind"), "node_lost");
    EXPECT_EQ(CauseText(ReportOn(host), "host"), hosts_->Name(lost));
    EXPECT_EQ(ReportOn(host).value("exit_code", 0), 75);
  }
};

TEST_F(Faults, AFailingWorkerStopsEveryHost) {
  StartJob(
      "echo up; if [ $RANK = 1 ]; then"
      " until [ -e go ]; do sleep 0.01; done; echo no luck >&2; exit 9;"
      "fi; exec sleep 1000");
  WriteFile(hosts_->Directory(1) + "/go", "");
  ExpectAllEndWith(Code(9));
  ExpectNothingIsLeft();
  for (int host = 0; host < 3; ++host) {
    EXPECT_EQ(CauseText(ReportOn(host), "rank"), "1");
    EXPECT_EQ(CauseText(ReportOn(host), "host"), "host1");
    EXPECT_EQ(CauseText(ReportOn(host), "stderr_tail"), "[\"no luck\"]");
  }
}

TEST_F(Faults, ACancelledNodeCancelsTheJob) {
  StartJob(
      "trap 'echo saved; exit 0' TERM; echo up;"
      "while :; do sleep 0.01; done");
  agent(2).SignalGroup(SIGINT);
  ExpectAllEndWith(Code(130));
  ExpectNothingIsLeft();
  for (int host = 0; host < 3; ++host) {
    EXPECT_EQ(ReportOn(host).value("result", ""), "cancelled");
    EXPECT_EQ(FileOfRun(0, absl::StrCat("logs/", host, ".stdout")),
              "up\nsaved\n");
  }
}

TEST_F(Faults, AKilledAgentIsALostNode) {
  StartJob(kFamily);
  agent(1).Signal(SIGKILL);
  ExpectLost(0, 1);
  ExpectLost(2, 1);
  ExpectNothingIsLeft();
}

TEST_F(Faults, AKilledCoordinatorIsALostNode) {
  StartJob(kFamily);
  agent(0).Signal(SIGKILL);
  ExpectLost(1, 0);
  ExpectLost(2, 0);
  ExpectNothingIsLeft();
}

TEST_F(Faults, AKilledKeeperFailsTheJob) {
  StartJob(kFamily);
  const Process keeper = agent(1).FindInFamily("muster-keeper");
  ASSERT_NE(keeper.pid, 0);
  kill(keeper.pid, SIGKILL);
  for (int host = 0; host < 3; ++host) {
    const ExitStatus status = agent(host).Wait();
    EXPECT_EQ(status.kind, ExitStatus::Kind::kCode) << agent(host).Text();
    EXPECT_NE(status, Code(0)) << agent(host).Text();
    EXPECT_EQ(CauseText(ReportOn(host), "host"), "host1");
  }
  ExpectNothingIsLeft();
}

TEST_F(Faults, ANodeWithoutNetworkIsLostAndStopsByItself) {
  StartJob(kFamily, {{"--node-timeout", "2s"}, {"--heartbeat", "200ms"}});
  const absl::Time begin = absl::Now();
  hosts_->Partition(2);
  ExpectLost(0, 2);
  ExpectLost(1, 2);
  EXPECT_GE(absl::Now() - begin, absl::Seconds(1));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(6));
  EXPECT_EQ(agent(2).Wait(), Code(75)) << agent(2).Text();
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
  ExpectNothingIsLeft();
}

TEST_F(Faults, TheCoordinatorsNodeWithoutNetworkIsLost) {
  StartJob(kFamily, {{"--node-timeout", "2s"}, {"--heartbeat", "200ms"}});
  hosts_->Partition(0);
  ExpectLost(1, 0);
  ExpectLost(2, 0);
  EXPECT_EQ(agent(0).Wait(), Code(75)) << agent(0).Text();
  ExpectNothingIsLeft();
}

TEST_F(Faults, AFrozenAgentIsALostNode) {
  StartJob(kFamily, {{"--node-timeout", "2s"}, {"--heartbeat", "200ms"}});
  agent(1).Signal(SIGSTOP);
  ExpectLost(0, 1);
  ExpectLost(2, 1);
  agent(1).Signal(SIGCONT);
  EXPECT_EQ(agent(1).Wait(), Code(75)) << agent(1).Text();
  ExpectNothingIsLeft();
}

TEST_F(Faults, AShortNetworkFailureIsNoFault) {
  StartJob("echo up; until [ -e go ]; do sleep 0.01; done",
           {{"--node-timeout", "20s"}, {"--heartbeat", "100ms"}});
  hosts_->Partition(2);
  // Long enough for several beats to be lost.
  EXPECT_EQ(agent(0).Wait(absl::Seconds(1)), kRunning) << agent(0).Text();
  hosts_->Heal(2);
  for (int host = 0; host < 3; ++host) {
    WriteFile(hosts_->Directory(host) + "/go", "");
  }
  ExpectAllEndWith(Code(0));
}

TEST_F(Faults, ANodeThatIsLateToHearTheVerdictHearsIt) {
  StartJob("echo up; until [ -e go ]; do sleep 0.01; done",
           {{"--node-timeout", "20s"}, {"--heartbeat", "20ms"}});
  WriteFile(hosts_->Directory(2) + "/go", "");
  ASSERT_TRUE(Eventually([&] {
    return FileOfRun(0, "events.jsonl").find("(host2): its output is here") !=
           std::string::npos;
  })) << FileOfRun(0, "events.jsonl");
  hosts_->Partition(2);
  for (int host = 0; host < 2; ++host) {
    WriteFile(hosts_->Directory(host) + "/go", "");
  }
  EXPECT_EQ(agent(1).Wait(), Code(0)) << agent(1).Text();
  hosts_->Heal(2);
  ExpectAllEndWith(Code(0));
}

TEST_F(Faults, AStubbornWorkerDelaysTheEndByTheGraceOnly) {
  StartJob(
      "trap '' TERM; echo up; if [ $RANK = 0 ]; then"
      " until [ -e go ]; do sleep 0.01; done; exit 3;"
      "fi; while :; do sleep 0.01; done",
      {{"--stop-grace", "300ms"}});
  WriteFile(hosts_->Directory(0) + "/go", "");
  const absl::Time begin = absl::Now();
  ExpectAllEndWith(Code(3));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(5));
  ExpectNothingIsLeft();
}

}  // namespace
}  // namespace muster::test
