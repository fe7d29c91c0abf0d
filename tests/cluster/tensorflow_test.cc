// TensorFlow's contract on three hosts, and what a firewall between them does.
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
using ::testing::Not;

class Tensorflow : public JobTest {
 protected:
  void SetUp() override {
    JobTest::SetUp();
    if (!IsSkipped()) MakeHosts(3);
  }
  // As on a cluster with a firewall: ports count up from 2222 on each host.
  Command Agents(const std::string& script, Flags flags = {}) const {
    flags.insert({{"--framework", "tensorflow"},
                  {"--parameter-server-count", "1"},
                  {"--base-port", "2222"}});
    return Agent(flags, Shell(script));
  }
  // What arrives at `to` from `from` for that port meets the target.
  void Block(int from, int to, int port, std::vector<std::string> target) {
    std::vector<std::string> argv = {"iptables",
                                     "-A",
                                     "INPUT",
                                     "-s",
                                     hosts_->Address(from),
                                     "-p",
                                     "tcp",
                                     "--dport",
                                     absl::StrCat(port),
                                     "-j"};
    argv.insert(argv.end(), target.begin(), target.end());
    MustRun(hosts_->On(to, {.argv = argv}));
  }
};

TEST_F(Tensorflow, HasTheShapeThatAzureGaveIt) {
  const TempDir shared;
  StartAll(Agents(absl::StrCat(
      "printenv TF_CONFIG; case $AZ_BATCHAI_TASK_TYPE in ps) touch ",
      shared.File("serves"), "; exec sleep 1000;; esac; until [ -e ",
      shared.File("serves"), " ]; do sleep 0.01; done")));
  ExpectAllEndWith(Code(0));
  const std::string cluster =
      R"({"cluster":{"ps":["10.77.0.1:2222"],"worker":["10.77.0.1:2223",)"
      R"("10.77.0.2:2222","10.77.0.3:2222"]},)";
  const char* tasks[] = {"\"ps\",\"index\":0", "\"worker\",\"index\":0",
                         "\"worker\",\"index\":1", "\"worker\",\"index\":2"};
  for (int rank = 0; rank < 4; ++rank) {
    EXPECT_EQ(FileOfRun(0, absl::StrCat("logs/", rank, ".stdout")),
              absl::StrCat(cluster, "\"task\":{\"type\":", tasks[rank],
                           "},\"environment\":\"cloud\"}\n"));
  }
  ExpectNothingIsLeft();
}

TEST_F(Tensorflow, APortThatIsRefusedIsNamedWithBothHostsBeforeTheStart) {
  Block(1, 0, 2223, {"REJECT", "--reject-with", "tcp-reset"});
  StartAll(Agents("touch started; exec sleep 1000"));
  ExpectAllEndWith(Code(69));
  ExpectNothingIsLeft();
  for (int host = 0; host < 3; ++host) {
    EXPECT_EQ(CauseText(ReportOn(host), "kind"), "rendezvous");
    EXPECT_EQ(CauseText(ReportOn(host), "host"), "host1");
    EXPECT_THAT(CauseText(ReportOn(host), "message"),
                HasSubstr("node 1 (host1) can't reach node 0 (host0) at "
                          "10.77.0.1:2223 (worker 0): connection refused"));
    // The other pairs are all right.
    EXPECT_THAT(CauseText(ReportOn(host), "message"),
                AllOf(Not(HasSubstr("node 2")), Not(HasSubstr("2222"))));
    EXPECT_FALSE(Exists(hosts_->Directory(host) + "/started"));
  }
}

TEST_F(Tensorflow, APortThatSwallowsEverythingIsNamedAfterItsDeadline) {
  Block(2, 1, 2222, {"DROP"});
  StartAll(Agents("exec sleep 1000"));
  ExpectAllEndWith(Code(69), absl::Seconds(30));
  EXPECT_THAT(CauseText(ReportOn(0), "message"),
              HasSubstr("node 2 (host2) can't reach node 1 (host1) at "
                        "10.77.0.2:2222 (worker 1): no answer within 10 s"));
  ExpectNothingIsLeft();
}

TEST_F(Tensorflow, ATakenBasePortIsNamedWithItsHost) {
  Subprocess other(hosts_->On(
      2, {.argv = {"/usr/bin/python3", "-c",
                   "import socket; s = socket.create_server(('', 2222));"
                   "print('listens', flush=True); s.accept()"}}));
  ASSERT_TRUE(other.WaitForOutput("listens"));
  StartAll(Agents("true"));
  ExpectAllEndWith(Code(69));
  EXPECT_THAT(CauseText(ReportOn(0), "message"),
              HasSubstr("node 2 (host2): no port for worker 2: TCP port 2222 "
                        "is taken"));
  ExpectNothingIsLeft();
}

// While a port swallows everything, the agents are proving.
class TensorflowProving : public Tensorflow {
 protected:
  void SetUp() override {
    Tensorflow::SetUp();
    if (IsSkipped()) return;
    Block(2, 1, 2222, {"DROP"});
    StartAll(Agents("exec sleep 1000"));
    ASSERT_TRUE(Eventually([&] {
      return FileOfRun(0, "events.jsonl")
                 .find("node 0 (host0): it reaches every port") !=
             std::string::npos;
    })) << agent(0).Text();
  }
};

TEST_F(TensorflowProving, ASignalCancelsTheJobOnEveryHost) {
  agent(1).Signal(SIGINT);
  ExpectAllEndWith(Code(130), absl::Seconds(5));
  for (int host = 0; host < 3; ++host) {
    EXPECT_EQ(ReportOn(host).value("result", ""), "cancelled");
    EXPECT_EQ(CauseText(ReportOn(host), "host"), "host1");
  }
  ExpectNothingIsLeft();
}

TEST_F(TensorflowProving, AKilledAgentIsALostNode) {
  agent(2).Signal(SIGKILL);
  for (int host = 0; host < 2; ++host) {
    EXPECT_EQ(agent(host).Wait(absl::Seconds(5)), Code(75))
        << agent(host).Text();
    EXPECT_EQ(CauseText(ReportOn(host), "kind"), "node_lost");
    EXPECT_EQ(CauseText(ReportOn(host), "host"), "host2");
  }
  ExpectNothingIsLeft();
}

TEST_F(TensorflowProving, AKilledCoordinatorIsALostNode) {
  agent(0).Signal(SIGKILL);
  for (int host = 1; host < 3; ++host) {
    EXPECT_EQ(agent(host).Wait(absl::Seconds(5)), Code(75))
        << agent(host).Text();
  }
  ExpectNothingIsLeft();
}

}  // namespace
}  // namespace muster::test
