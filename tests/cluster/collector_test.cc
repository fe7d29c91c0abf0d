// Output on its way over a network that fails, and after the death of the
// coordinator.
#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/cluster/job.h"
#include "tests/support/collect.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;

// `muster collect` on one of the hosts.
class CollectorHost : public JobTest {
 protected:
  void StartCollector(int host, const std::string& directory) {
    collector_ = std::make_unique<Subprocess>(
        hosts_->On(host, {.argv = {MusterBinary(), "collect", "--dir",
                                   directory, "--listen", Listens(host)},
                          .env = {{"MUSTER_TOKEN", kToken}}}));
    ASSERT_TRUE(collector_->WaitForOutput("listening on " + Listens(host)))
        << collector_->Text();
  }
  std::string Listens(int host) const {
    return hosts_->Address(host) + ":29401";
  }

  std::unique_ptr<Subprocess> collector_;
};

// Two nodes, host0 and host1, and a collector on host2.
class Partition : public CollectorHost {
 protected:
  // Workers that write; the collector has some of it.
  void StartJob(const std::string& collect_timeout = "5m") {
    MakeHosts(3);
    runs_ = hosts_->Directory(2) + "/runs";
    StartCollector(2, runs_);
    writers_ = std::make_unique<Writers>(hosts_->Directory(2), "--rate 0.5");
    const Command agent = Agent({{"--nnodes", "2"},
                                 {"--collector", Listens(2)},
                                 {"--collect-timeout", collect_timeout},
                                 {"--console", "none"}},
                                Shell(writers_->Script()));
    Start(0, agent);
    Start(1, agent);
    ExpectProgress();
  }
  void ExpectProgress() {
    const uint64_t stored = LogBytesIn(runs_);
    ASSERT_TRUE(Eventually([&] { return LogBytesIn(runs_) > stored + 100'000; },
                           kLater))
        << agent(0).Text() << agent(1).Text() << collector_->Text();
  }
  // While the workers write on, nothing arrives.
  void ExpectStandstill() {
    // What was on its way when it was cut is taken first.
    uint64_t stored = 0;
    ASSERT_TRUE(Eventually([&] {
      const uint64_t before = stored;
      stored = LogBytesIn(runs_);
      return before == stored &&
             agent(0).Wait(absl::Milliseconds(300)) == kRunning &&
             LogBytesIn(runs_) == stored;
    }));
    EXPECT_EQ(agent(1).Wait(absl::ZeroDuration()), kRunning) << agent(1).Text();
  }
  void ExpectAllArrived() {
    ExpectProgress();
    ASSERT_TRUE(writers_->HaveBegunIn(OnlyRunIn(runs_), 2));
    writers_->Stop();
    ExpectAllEndWith(Code(0), kLater);
    const std::string run = OnlyRunIn(runs_);
    EXPECT_TRUE(writers_->AreExactIn(run, 2));
    EXPECT_TRUE(IsRecorded(run, 0));
    ExpectNothingIsLeft();
  }
  // iptables on the collector's host.
  void Filter(const std::vector<std::string>& rule) {
    std::vector<std::string> argv = {"iptables", "-w"};
    argv.insert(argv.end(), rule.begin(), rule.end());
    MustRun(hosts_->On(2, {.argv = argv}));
  }
  static std::string WhyNoFilter() {
    Subprocess trial(
        {.argv = {"unshare", "--net", "iptables", "-A", "INPUT", "-p", "tcp",
                  "-j", "REJECT", "--reject-with", "tcp-reset"}});
    if (trial.Wait() == Code(0)) return "";
    return absl::StrCat("no iptables here:", trial.Text());
  }

  std::string runs_;
  std::unique_ptr<Writers> writers_;
};

TEST_F(Partition, OfTheCollectorLosesNothing) {
  StartJob();
  hosts_->Partition(2);
  ExpectStandstill();
  hosts_->Heal(2);
  ExpectAllArrived();
}

TEST_F(Partition, InOneDirectionLosesNothing) {
  if (const std::string reason = WhyNoFilter(); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  StartJob();
  Filter({"-A", "OUTPUT", "-p", "tcp", "--sport", "29401", "-j", "DROP"});
  ExpectStandstill();
  Filter({"-F", "OUTPUT"});
  ExpectAllArrived();
}

TEST_F(Partition, ByResetsLosesNothing) {
  if (const std::string reason = WhyNoFilter(); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  StartJob();
  Filter({"-A", "INPUT", "-p", "tcp", "--dport", "29401", "-j", "REJECT",
          "--reject-with", "tcp-reset"});
  ExpectStandstill();
  Filter({"-F", "INPUT"});
  ExpectAllArrived();
}

TEST_F(Partition, ThatLastsLongerThanTheTimeoutEndsTheJobAndKeepsTheRest) {
  StartJob("1s");
  ASSERT_TRUE(writers_->HaveBegunIn(OnlyRunIn(runs_), 2));
  hosts_->Partition(2);
  writers_->Stop();
  for (int host = 0; host < 2; ++host) {
    // The coordinator is well, so the end is one for all.
    EXPECT_EQ(agent(host).Wait(kLater), Code(75)) << agent(host).Text();
    EXPECT_THAT(agent(host).Err(), HasSubstr("muster get --spool"));
  }
}

// ---- the coordinator dies, and the collector with it ----

class CoordinatorDead : public CollectorHost {
 protected:
  static std::string SpoolOf(const Hosts& hosts, int host) {
    return hosts.Directory(host) + "/spool";
  }
};

TEST_F(CoordinatorDead, WhatTheOthersWroteIsDeliveredLater) {
  MakeHosts(3);
  const std::string script = "echo up; until [ -e go ]; do sleep 0.01; done;" +
                             Loggen("--fd 2 --bytes 8M") +
                             "; touch written; exec sleep 1000";
  for (int host = 0; host < 3; ++host) {
    // A timeout that leaves the others the time to write.
    Start(host, Agent({{"--node-timeout", "20s"},
                       {"--collect-timeout", "500ms"},
                       {"--spool-dir", SpoolOf(*hosts_, host)},
                       {"--console", "all"}},
                      Shell(script)));
  }
  for (int rank = 0; rank < 3; ++rank) {
    ASSERT_TRUE(agent(0).WaitForOutput(absl::StrCat("[", rank, "] up")))
        << agent(0).Text();
  }
  // Frozen, it takes nothing more, and it dies before it wakes.
  agent(0).Signal(SIGSTOP);
  for (int host = 1; host < 3; ++host) {
    WriteFile(hosts_->Directory(host) + "/go", "");
    ASSERT_TRUE(Eventually([&] {
      return Exists(hosts_->Directory(host) + "/written");
    })) << agent(host).Text();
  }
  agent(0).Signal(SIGKILL);
  const std::string runs = hosts_->Directory(0) + "/muster-runs";
  for (int host = 1; host < 3; ++host) {
    EXPECT_EQ(agent(host).Wait(kLater), Code(75)) << agent(host).Text();
    EXPECT_EQ(CauseText(ReportOn(host), "kind"), "node_lost");
    EXPECT_THAT(agent(host).Err(), HasSubstr(SpoolOf(*hosts_, host)));
    EXPECT_THAT(agent(host).Err(), HasSubstr("muster get --spool"));
  }
  ExpectNothingIsLeft();

  StartCollector(0, runs);
  for (int host = 1; host < 3; ++host) {
    Subprocess get(hosts_->On(
        host, {.argv = {MusterBinary(), "get", "--spool",
                        SpoolOf(*hosts_, host), "--collector", Listens(0)},
               .env = {{"MUSTER_TOKEN", kToken}}}));
    EXPECT_EQ(get.Wait(kLater), Code(0)) << get.Text();
    const auto rank = static_cast<uint32_t>(host);
    EXPECT_EQ(ReadFile(LogOf(OnlyRunIn(runs), rank, 1)), "up\n");
    EXPECT_TRUE(IsExact(OnlyRunIn(runs), rank, 2, 8'000'000)) << get.Text();
    EXPECT_EQ(SpoolBytesIn(SpoolOf(*hosts_, host)), 0u);
  }
}

}  // namespace
}  // namespace muster::test
