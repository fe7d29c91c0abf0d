// A collector of its own that is killed and started again while a job writes:
// nothing is lost, nothing is there twice.
#include "tests/support/collect.h"

#include <signal.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::test {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint32_t kWorld = 8;
const Flags kFourTimesTwo = {{"--nnodes", "4"}, {"--nproc-per-node", "2"}};

// Workers that write at a rate that any machine keeps up with.
class Collect : public CollectTest {
 protected:
  Subprocess& StartWriters() {
    return StartJob("sim", kFourTimesTwo, writers_.Script());
  }
  // The job ends well, and the collector has all of it.
  void ExpectAllArrived(Subprocess& job) {
    ASSERT_TRUE(writers_.HaveBegunIn(Run(), kWorld)) << job.Text();
    writers_.Stop();
    ASSERT_EQ(EndOf(job), Code(0)) << job.Text() << collector_.process().Text();
    ASSERT_NE(Run(), "") << "not one run in " << collector_.directory();
    EXPECT_TRUE(writers_.AreExactIn(Run(), kWorld)) << job.Text();
    EXPECT_TRUE(IsRecorded(Run(), 0));
    EXPECT_EQ(SpoolBytesIn(SpoolDir()), 0u) << "what arrived is still kept";
  }

  const Writers writers_{directory_.Dir("written"), "--rate 0.5"};
};

TEST_F(Collect, SaysWhereItListens) {
  const std::string runs = directory_.File("elsewhere");
  Subprocess collect({.argv = {MusterBinary(), "collect", "--dir", runs,
                               "--listen", "127.0.0.1:0"}});
  ASSERT_TRUE(collect.WaitForOutput(
      absl::StrCat("collecting into ", runs, ", listening on 127.0.0.1:")))
      << collect.Text();
  EXPECT_THAT(
      Lines(collect.Out() + collect.Err()),
      Contains(ContainsRegex("listening on 127\\.0\\.0\\.1:[1-9][0-9]*$")));
  collect.Signal(SIGTERM);
  EXPECT_EQ(collect.Wait(), Code(0)) << collect.Text();
}

TEST_F(Collect, TakesWhatAJobWithoutATokenWritesOnThisMachine) {
  CollectorProcess collector(directory_.File("open"), "");
  ASSERT_TRUE(collector.Start());
  Subprocess job({.argv = MusterArgv("sim",
                                     {{"--nnodes", "2"},
                                      {"--nproc-per-node", "2"},
                                      {"--collector", collector.address()}},
                                     Shell(Loggen("--bytes 200k"))),
                  .cwd = directory_.Dir("job")});
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  const std::string run = OnlyRunIn(collector.directory());
  for (uint32_t rank = 0; rank < 4; ++rank) {
    EXPECT_TRUE(IsExact(run, rank, 1, 200'000));
    EXPECT_TRUE(IsExact(run, rank, 2, 0));
  }
  EXPECT_TRUE(IsRecorded(run, 0));
}

TEST_F(Collect, KilledAgainAndAgainLosesNothing) {
  ASSERT_TRUE(collector_.Start());
  Subprocess& job = StartWriters();
  for (int round = 0; round < 6; ++round) {
    // It has taken something new since it was started the last time.
    ASSERT_TRUE(StoresMoreThan(LogBytesIn(collector_.directory()) + 100'000))
        << job.Text();
    collector_.Kill();
    ASSERT_EQ(job.Wait(absl::ZeroDuration()), kRunning) << job.Text();
    ASSERT_TRUE(collector_.Start());
  }
  ExpectAllArrived(job);
}

TEST_F(Collect, AskedToLeaveEndsWellAndLosesNothing) {
  ASSERT_TRUE(collector_.Start());
  Subprocess& job = StartWriters();
  ASSERT_TRUE(StoresMoreThan(100'000)) << job.Text();
  collector_.process().Signal(SIGTERM);
  EXPECT_EQ(collector_.process().Wait(), Code(0))
      << collector_.process().Text();
  ASSERT_TRUE(collector_.Start());
  ASSERT_TRUE(StoresMoreThan(LogBytesIn(collector_.directory()) + 100'000));
  ExpectAllArrived(job);
}

TEST_F(Collect, OfTwoJobsAtOnceKeepsThemApart) {
  const Writers others{directory_.Dir("others"), "--rate 0.5"};
  ASSERT_TRUE(collector_.Start());
  Subprocess& first = StartWriters();
  ASSERT_TRUE(Eventually([&] { return Run() != ""; })) << first.Text();
  const std::string first_run = Run();
  Subprocess& second = StartJob("sim", {{"--nnodes", "2"}}, others.Script());
  std::string second_run;
  ASSERT_TRUE(Eventually([&] {
    for (const std::string& run : RunsIn(collector_.directory())) {
      if (run != first_run) second_run = run;
    }
    return second_run != "";
  })) << second.Text();
  ASSERT_TRUE(writers_.HaveBegunIn(first_run, kWorld)) << first.Text();
  ASSERT_TRUE(others.HaveBegunIn(second_run, 2)) << second.Text();
  collector_.Kill();
  ASSERT_TRUE(collector_.Start());
  others.Stop();
  ASSERT_EQ(EndOf(second), Code(0)) << second.Text();
  writers_.Stop();
  ASSERT_EQ(EndOf(first), Code(0)) << first.Text();
  EXPECT_EQ(RunsIn(collector_.directory()).size(), 2u);
  EXPECT_TRUE(writers_.AreExactIn(first_run, kWorld));
  EXPECT_TRUE(others.AreExactIn(second_run, 2));
}

TEST_F(Collect, DeadProxiesAreNoConcernOfIt) {
  const std::string dead = "http://127.0.0.1:1";
  std::map<std::string, std::string> proxies = {{"MUSTER_TOKEN", kToken}};
  for (const char* name : {"http_proxy", "https_proxy", "grpc_proxy",
                           "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"}) {
    proxies[name] = dead;
  }
  ASSERT_TRUE(collector_.Start(proxies));
  Subprocess job({.argv = MusterArgv("sim",
                                     {{"--nnodes", "2"},
                                      {"--nproc-per-node", "1"},
                                      {"--collector", collector_.address()}},
                                     Shell("echo $http_proxy $grpc_proxy")),
                  .env = proxies,
                  .cwd = directory_.Dir("job")});
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  EXPECT_EQ(ReadFile(LogOf(Run(), 1, 1)), dead + " " + dead + "\n");
}

// ---- a second one ----

class SecondCollector : public CollectTest {
 protected:
  void SetUp() override { ASSERT_TRUE(collector_.Start()); }
  // `muster collect` with these ends at once, and says these words; the first
  // one goes on.
  void ExpectRefused(const std::string& directory, const std::string& listen,
                     const std::vector<std::string>& words) {
    Subprocess second({.argv = {MusterBinary(), "collect", "--dir", directory,
                                "--listen", listen},
                       .env = {{"MUSTER_TOKEN", kToken}}});
    EXPECT_EQ(second.Wait(), Code(78)) << second.Text();
    for (const std::string& word : words) {
      EXPECT_THAT(second.Err(), HasSubstr(word));
    }
    Subprocess& job = StartJob("run", {}, Loggen("--bytes 100k"));
    EXPECT_EQ(EndOf(job), Code(0)) << job.Text();
    EXPECT_TRUE(IsExact(Run(), 0, 1, 100'000));
  }
};

TEST_F(SecondCollector, OnTheSameDirectoryIsToldWhoHasIt) {
  ExpectRefused(
      collector_.directory(), "127.0.0.1:0",
      {collector_.directory(), absl::StrCat(collector_.process().pid())});
}

TEST_F(SecondCollector, OnTheSamePortIsRefused) {
  ExpectRefused(directory_.File("other"), collector_.address(),
                {collector_.address()});
}

// ---- killed at a place of its own choice ----

class CollectKilledAt : public Collect,
                        public ::testing::WithParamInterface<const char*> {};

TEST_P(CollectKilledAt, LosesNothing) {
  const std::string place = GetParam();
  if (ReadFile(MusterBinary()).find("collector.before_write") ==
      std::string::npos) {
    GTEST_SKIP() << "this muster was built without failpoints";
  }
  ASSERT_TRUE(collector_.Start({{"MUSTER_FAILPOINT", place}}));
  // Files are published as well, again and again.
  Subprocess& job = StartJob(
      "sim", kFourTimesTwo,
      absl::StrCat("mkdir -p outputs; put() { echo $1 >outputs/$RANK.new; "
                   "mv outputs/$RANK.new outputs/$RANK; }; "
                   "(until [ -e '",
                   directory_.File("written"),
                   "/stop' ]; do put again; sleep 0.01; done; put last) & "
                   "files=$!; ",
                   writers_.Script(), " && wait $files"));
  ASSERT_EQ(collector_.process().Wait(kLater), Killed(SIGKILL))
      << place << " was not reached" << job.Text();
  const uint64_t stored = LogBytesIn(collector_.directory());
  ASSERT_TRUE(collector_.Start());
  ASSERT_TRUE(StoresMoreThan(stored + 100'000)) << job.Text();
  ExpectAllArrived(job);
  for (uint32_t rank = 0; rank < kWorld; ++rank) {
    EXPECT_EQ(ReadFile(absl::StrCat(Run(), "/nodes/node", rank / 2, "/outputs/",
                                    rank)),
              "last\n");
  }
  for (const std::string& file : FilesBelow(Run())) {
    EXPECT_THAT(file, Not(AnyOf(HasSubstr(".part"), HasSubstr("parts/"))));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Places, CollectKilledAt,
    ::testing::Values("collector.before_write", "collector.before_write:20",
                      "collector.before_sync", "collector.before_sync:5",
                      "collector.before_journal", "collector.before_journal:5",
                      "collector.before_ack", "collector.before_ack:5",
                      "collector.before_rename", "collector.before_rename:7"),
    [](const ::testing::TestParamInfo<const char*>& place) {
      std::string name = place.param;
      for (char& c : name) {
        if (c == '.' || c == ':') c = '_';
      }
      return name;
    });

}  // namespace
}  // namespace muster::test
