// A collector that is not there: workers do not notice, and what they wrote
// waits in the spool.
#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/collect.h"
#include "tests/support/fault_proxy/fault_proxy.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMiB = 1 << 20;

class CollectAbsent : public CollectTest {
 protected:
  // Four workers of two nodes that write a known amount while nobody takes it.
  void RunJobInVain(const Flags& flags = {}) {
    Flags all = flags;
    all.insert({{"--nnodes", "2"},
                {"--nproc-per-node", "2"},
                {"--collect-timeout", "500ms"}});
    Subprocess& job = StartJob("sim", all, Loggen("--bytes 500k --both"));
    ASSERT_EQ(EndOf(job), Code(75)) << job.Text();
    EXPECT_THAT(job.Err(), HasSubstr(SpoolDir())) << "where it is left";
    EXPECT_THAT(job.Err(), HasSubstr("muster get --spool"))
        << "what to do about it";
    EXPECT_THAT(job.Err(), HasSubstr(collector_.address()));
    EXPECT_GE(SpoolBytesIn(SpoolDir()), 4u * 1'000'000);
  }
  testing::AssertionResult AllOfItIsIn(const std::string& run) {
    for (uint32_t rank = 0; rank < 4; ++rank) {
      for (const int fd : {1, 2}) {
        testing::AssertionResult result = IsExact(run, rank, fd, 500'000);
        if (!result) return result;
      }
    }
    return testing::AssertionSuccess();
  }
  // `muster get --spool` to the collector.
  std::unique_ptr<Subprocess> SendSpool(const std::string& spool) const {
    return std::make_unique<Subprocess>(
        Command{.argv = {MusterBinary(), "get", "--spool", spool, "--collector",
                         collector_.address()},
                .env = {{"MUSTER_TOKEN", kToken}}});
  }
};

TEST_F(CollectAbsent, WhatIsLeftIsSentByHand) {
  RunJobInVain();
  ASSERT_TRUE(collector_.Start());
  const auto get = SendSpool(SpoolDir());
  EXPECT_EQ(get->Wait(kLater), Code(0)) << get->Text();
  EXPECT_TRUE(AllOfItIsIn(Run())) << get->Text();
  EXPECT_EQ(SpoolBytesIn(SpoolDir()), 0u) << "what arrived is still kept";
  // There is nothing left to do, which is no failure.
  const auto again = SendSpool(SpoolDir());
  EXPECT_EQ(again->Wait(kLater), Code(0)) << again->Text();
}

TEST_F(CollectAbsent, WhatIsLeftIsSentByTheNextAgent) {
  RunJobInVain();
  ASSERT_TRUE(collector_.Start());
  Subprocess& next =
      StartJob("run", {}, "until [ -e go ]; do sleep 0.01; done; echo done");
  EXPECT_TRUE(Eventually(
      [&] {
        for (const std::string& run : RunsIn(collector_.directory())) {
          if (AllOfItIsIn(run)) return true;
        }
        return false;
      },
      kLater))
      << next.Text();
  WriteFile(directory_.File("job1/go"), "");
  EXPECT_EQ(EndOf(next), Code(0)) << next.Text();
  EXPECT_EQ(RunsIn(collector_.directory()).size(), 2u);
  EXPECT_EQ(SpoolBytesIn(SpoolDir()), 0u) << "what arrived is still kept";
}

TEST_F(CollectAbsent, ACollectorThatComesLateIsSentEverything) {
  Subprocess& job = StartJob("sim", {{"--nnodes", "2"}},
                             Loggen("--bytes 2M --both") + "; touch written");
  ASSERT_TRUE(Eventually([&] { return SpoolBytesIn(SpoolDir()) >= 8'000'000; }))
      << job.Text();
  ASSERT_TRUE(collector_.Start());
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  for (uint32_t rank = 0; rank < 2; ++rank) {
    EXPECT_TRUE(IsExact(Run(), rank, 1, 2'000'000));
    EXPECT_TRUE(IsExact(Run(), rank, 2, 2'000'000));
  }
  EXPECT_TRUE(IsRecorded(Run(), 0));
}

// ---- the agent dies as well ----

// One that dies once 8 MB of its worker are in the spool and nowhere else.
class AgentDead : public CollectAbsent {
 protected:
  static constexpr uint64_t kBytes = 8'000'000;

  void Die(bool collector_knows_the_run) {
    if (collector_knows_the_run) {
      ASSERT_TRUE(collector_.Start());
    }
    Subprocess& agent =
        StartJob("run", {},
                 "until [ -e go ]; do sleep 0.01; done; " +
                     Loggen("--bytes 8M") + "; exec sleep 1000");
    if (collector_knows_the_run) {
      ASSERT_TRUE(Eventually([&] { return Exists(Run() + "/run.json"); }))
          << agent.Text();
      collector_.Kill();
    }
    WriteFile(directory_.File("job0/go"), "");
    ASSERT_TRUE(Eventually([&] { return SpoolBytesIn(SpoolDir()) >= kBytes; }))
        << agent.Text();
    agent.Signal(SIGKILL);
    ASSERT_EQ(agent.Wait(), Killed(SIGKILL));
    ASSERT_TRUE(NothingIsLeftOf(agent));
    ASSERT_TRUE(collector_.Start());
  }
  // All is there, and nobody claims to know that it was all.
  testing::AssertionResult Arrived(const std::string& run) const {
    const std::string log = LogOf(run, 0, 1);
    const LogCheck check = CheckLog(LogPattern({}), log, kBytes);
    if (!check.problem.empty()) {
      return testing::AssertionFailure() << log << ": " << check.problem;
    }
    if (check.missing != 0 || check.end != "agent-died") {
      return testing::AssertionFailure()
             << log << ".gaps: " << ReadFile(log + ".gaps");
    }
    return testing::AssertionSuccess();
  }
};

TEST_F(AgentDead, ItsSpoolIsSentByTheNextAgent) {
  Die(true);
  const std::string run = Run();
  Subprocess& next =
      StartJob("run", {}, "until [ -e go ]; do sleep 0.01; done");
  EXPECT_TRUE(Eventually([&] { return static_cast<bool>(Arrived(run)); }))
      << Arrived(run) << next.Text();
  WriteFile(directory_.File("job1/go"), "");
  EXPECT_EQ(EndOf(next), Code(0)) << next.Text();
  EXPECT_EQ(SpoolBytesIn(SpoolDir()), 0u);
}

TEST_F(AgentDead, ItsSpoolIsSentByHand) {
  Die(true);
  const auto get = SendSpool(SpoolDir());
  EXPECT_EQ(get->Wait(kLater), Code(0)) << get->Text();
  EXPECT_TRUE(Arrived(Run())) << get->Text();
}

TEST_F(AgentDead, ItsSpoolIsSentToACollectorThatNeverHeardOfTheRun) {
  Die(false);
  const auto get = SendSpool(SpoolDir());
  EXPECT_EQ(get->Wait(kLater), Code(0)) << get->Text();
  EXPECT_TRUE(Arrived(Run())) << get->Text();
}

TEST_F(AgentDead, ALivingAgentsSpoolIsNobodyElses) {
  Subprocess& job = StartJob(
      "run", {{"--collect-timeout", "1h"}},
      Loggen("--bytes 100k") + "; until [ -e go ]; do sleep 0.01; done");
  ASSERT_TRUE(Eventually([&] { return SpoolBytesIn(SpoolDir()) >= 100'000; }))
      << job.Text();
  // Its collector is another one, which stays away.
  CollectorProcess other(directory_.File("other"));
  ASSERT_TRUE(other.Start());
  Subprocess get({.argv = {MusterBinary(), "get", "--spool", SpoolDir(),
                           "--collector", other.address()},
                  .env = {{"MUSTER_TOKEN", kToken}}});
  EXPECT_NE(get.Wait(kLater), kRunning);
  EXPECT_EQ(LogBytesIn(other.directory()), 0u);
  ASSERT_TRUE(collector_.Start());
  WriteFile(directory_.File("job0/go"), "");
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  EXPECT_TRUE(IsExact(Run(), 0, 1, 100'000));
}

// ---- the spool's bound ----

// A worker that writes 64 MiB, and the test sees when it has.
class SpoolBound : public CollectTest {
 protected:
  static constexpr uint64_t kBytes = 64 * kMiB;
  static constexpr uint64_t kBound = 8 * kMiB;

  Subprocess& Start(const std::string& full, const Flags& flags = {}) {
    Flags all = flags;
    all.insert({{"--spool-size", "8MiB"}, {"--spool-full", full}});
    return StartJob("run", all,
                    "until [ -e go ]; do sleep 0.01; done; " +
                        Loggen("--bytes 64MiB --report loggen.json"));
  }
  void Go() { WriteFile(directory_.File("job0/go"), ""); }
  std::string WrittenFile() const {
    return directory_.File("job0/loggen.json");
  }

  // What was dropped is told to the byte.
  void ExpectDropped() {
    const LogCheck check = CheckLog(LogPattern({}), LogOf(Run(), 0, 1), kBytes);
    EXPECT_EQ(check.problem, "");
    EXPECT_EQ(check.stored + check.missing, kBytes);
    EXPECT_GT(check.missing, 0u);
    // Not more than had to be: the bound holds some of the newest.
    EXPECT_GE(check.stored, kBound / 2);
    for (const LogGapLine& gap :
         ReadGapFile(LogOf(Run(), 0, 1) + ".gaps").gaps) {
      EXPECT_EQ(gap.reason, "spool-full");
    }
  }
};

TEST_F(SpoolBound, DropsTheOldestWhileTheCollectorIsDown) {
  Subprocess& job = Start("drop");
  Go();
  // The worker's end waits for nobody.
  ASSERT_TRUE(Eventually([&] { return Exists(WrittenFile()); }, kLater))
      << job.Text();
  EXPECT_LE(SpoolBytesIn(SpoolDir()), kBound);
  ASSERT_TRUE(collector_.Start());
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  ExpectDropped();
  EXPECT_THAT(job.Err(), HasSubstr("spool"));
}

TEST_F(SpoolBound, DropsTheOldestWhileTheCollectorIsStalled) {
  ASSERT_TRUE(collector_.Start());
  FaultProxy proxy({.port = collector_.port()});
  Subprocess& job = Start(
      "drop", {{"--collector", absl::StrCat("127.0.0.1:", proxy.port())}});
  ASSERT_TRUE(Eventually([&] { return Exists(Run() + "/run.json"); }))
      << job.Text();
  proxy.Set({.stalls_up = true, .stalls_down = true});
  Go();
  ASSERT_TRUE(Eventually([&] { return Exists(WrittenFile()); }, kLater))
      << job.Text();
  proxy.Set({});
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  ExpectDropped();
}

TEST_F(SpoolBound, BlocksTheWorkerUntilTheCollectorIsBack) {
  Subprocess& job = Start("block");
  Go();
  ASSERT_TRUE(Eventually([&] {
    return SpoolBytesIn(SpoolDir()) > kBound * 3 / 4;
  })) << job.Text();
  EXPECT_EQ(job.Wait(absl::Seconds(1)), kRunning) << job.Text();
  EXPECT_FALSE(Exists(WrittenFile())) << "it was not blocked";
  EXPECT_LE(SpoolBytesIn(SpoolDir()), kBound);
  ASSERT_TRUE(collector_.Start());
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  EXPECT_TRUE(IsExact(Run(), 0, 1, kBytes));
}

}  // namespace
}  // namespace muster::test
