// ./outputs of a node: whole files, as soon as they are whole, and at the end
// all that is there.
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <random>
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
using ::testing::Not;

// In front of a script: `await N` goes on when the test has called Step(N).
constexpr char kAwait[] =
    "await() { until [ -e step$1 ]; do sleep 0.01; done; }; mkdir -p outputs;";
// Where ./outputs of node 0 arrive.
constexpr char kOutputs[] = "nodes/node0/outputs/";

class OutputFiles : public CollectTest {
 protected:
  void SetUp() override { ASSERT_TRUE(collector_.Start()); }

  Subprocess& Start(const std::string& script, const Flags& flags = {}) {
    return StartJob("run", flags, kAwait + script);
  }
  // The same by way of a proxy.
  Subprocess& StartThroughProxy(const std::string& script,
                                const Flags& flags = {}) {
    proxy_ = std::make_unique<FaultProxy>(
        FaultProxy::Options{.port = collector_.port()});
    Flags all = flags;
    all["--collector"] = absl::StrCat("127.0.0.1:", proxy_->port());
    return Start(script, all);
  }
  void Step(int number) const {
    WriteFile(absl::StrCat(directory_.path(), "/job0/step", number), "");
  }
  std::string PathOf(const std::string& name) const {
    return absl::StrCat(Run(), "/", kOutputs, name);
  }
  std::string SourceOf(const std::string& name) const {
    return absl::StrCat(directory_.path(), "/job0/outputs/", name);
  }
  std::string Arrived(const std::string& name) const {
    return ReadFile(PathOf(name));
  }
  void ExpectSoon(const std::string& name, const std::string& bytes,
                  Subprocess& job) {
    EXPECT_TRUE(Shows(kOutputs + name, bytes)) << name << job.Text();
    EXPECT_EQ(job.Wait(absl::ZeroDuration()), kRunning) << job.Text();
  }

  std::unique_ptr<FaultProxy> proxy_;
};

TEST_F(OutputFiles, ArriveWhenTheyAreClosed) {
  // The first one shows that the directory is watched.
  Subprocess& job = Start(
      "echo whole >outputs/first; await 1; exec 3>outputs/open;"
      "echo unfinished >&3; echo whole >outputs/closed; await 2;"
      "echo business >&3; exec 3>&-; await 3");
  ExpectSoon("first", "whole\n", job);
  Step(1);
  ExpectSoon("closed", "whole\n", job);
  EXPECT_FALSE(Exists(PathOf("open"))) << "it is still being written";
  Step(2);
  ExpectSoon("open", "unfinished\nbusiness\n", job);
  Step(3);
  EXPECT_EQ(EndOf(job), Code(0)) << job.Text();
}

TEST_F(OutputFiles, ArriveWhenTheyAreMovedToTheirPlace) {
  Subprocess& job = Start(
      "mkdir -p outputs/a tmp/b; echo one >tmp/b/model; mv tmp/b outputs/a;"
      "await 1; echo two >tmp/model; mv tmp/model outputs/a/b/model; await 2");
  ExpectSoon("a/b/model", "one\n", job);
  Step(1);
  ExpectSoon("a/b/model", "two\n", job);
  Step(2);
  EXPECT_EQ(EndOf(job), Code(0)) << job.Text();
}

TEST_F(OutputFiles, KeepTheirExecutableBit) {
  Subprocess& job = Start("echo true >outputs/run; chmod 750 outputs/run");
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  struct stat found = {};
  ASSERT_EQ(stat(PathOf("run").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0700, 0700u);
}

// ---- the last sweep ----

// A worker that never closes its file.
constexpr char kHolds[] =
    "exec 3>outputs/last; echo its last words >&3; echo ready >logs/ready;"
    "await 1;";

TEST_F(OutputFiles, AreSweptAfterASuccess) {
  Subprocess& job = Start(absl::StrCat("mkdir logs;", kHolds, "exit 0"));
  Step(1);
  EXPECT_EQ(EndOf(job), Code(0)) << job.Text();
  EXPECT_EQ(Arrived("last"), "its last words\n");
  ASSERT_TRUE(IsRecorded(Run(), 0));
  EXPECT_EQ(ReadJson(Run() + "/report.json")["bytes"].value("outputs", 0),
            std::string("its last words\n").size());
}

TEST_F(OutputFiles, AreSweptAfterAFailure) {
  Subprocess& job = Start(absl::StrCat("mkdir logs;", kHolds, "exit 9"));
  Step(1);
  EXPECT_EQ(EndOf(job), Code(9)) << job.Text();
  EXPECT_EQ(Arrived("last"), "its last words\n");
  EXPECT_TRUE(IsRecorded(Run(), 9));
}

TEST_F(OutputFiles, AreSweptAfterASignal) {
  Subprocess& job = Start(absl::StrCat(
      "mkdir logs; trap 'echo saved >outputs/saved; exit 0' TERM;", kHolds));
  ASSERT_TRUE(Shows("nodes/node0/logs/ready", "ready\n")) << job.Text();
  job.Signal(SIGTERM);
  EXPECT_EQ(EndOf(job), Code(143)) << job.Text();
  EXPECT_EQ(Arrived("last"), "its last words\n");
  EXPECT_EQ(Arrived("saved"), "saved\n");
  EXPECT_TRUE(IsRecorded(Run(), 143));
}

// ---- what is no plain file ----

TEST_F(OutputFiles, OfEveryKindAreSentOrNamed) {
  const bool is_root = geteuid() == 0;
  Subprocess& job = Start(absl::StrCat(
      "cd outputs; ln -s . loop; ln -s /etc/passwd passwd;"
      "ln -s nowhere dangling; mkfifo fifo;"
      "/usr/bin/python3 -c 'import socket;"
      "socket.socket(socket.AF_UNIX).bind(\"socket\")';",
      is_root ? "mknod device c 1 3;" : "",
      "echo twins >one; ln one two; printf odd >\"$(printf 'n\\377me')\";"
      "printf x >'a b\tc'; : >empty;"
      "mkdir many; i=0; while [ $i -lt 2000 ]; do echo $i >many/$i;"
      "i=$((i+1)); done"));
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  EXPECT_EQ(Arrived("one"), "twins\n");
  EXPECT_EQ(Arrived("two"), "twins\n");
  EXPECT_EQ(Arrived("n\377me"), "odd");
  EXPECT_EQ(Arrived("a b\tc"), "x");
  EXPECT_TRUE(Exists(PathOf("empty")));
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(Arrived(absl::StrCat("many/", i)), absl::StrCat(i, "\n"));
  }
  std::vector<std::string> skipped = {"loop", "passwd", "dangling", "fifo",
                                      "socket"};
  if (is_root) skipped.push_back("device");
  for (const std::string& name : skipped) {
    EXPECT_FALSE(std::filesystem::symlink_status(PathOf(name)).type() !=
                 std::filesystem::file_type::not_found)
        << name;
    EXPECT_THAT(job.Err(), HasSubstr("outputs/" + name));
  }
  const std::string secret = Lines(ReadFile("/etc/passwd")).front();
  for (const std::string& file : FilesBelow(Run())) {
    EXPECT_THAT(ReadFile(Run() + "/" + file), Not(HasSubstr(secret))) << file;
  }
}

TEST_F(OutputFiles, ThatAreMostlyHolesCostNothing) {
  Subprocess& job = StartThroughProxy(
      "await 1; truncate -s 4G sparse;"
      "for at in 0 1 3; do echo mark $at | dd of=sparse bs=1M"
      " seek=$((at * 1024)) conv=notrunc 2>/dev/null; done;"
      "mv sparse outputs");
  ASSERT_TRUE(Eventually([&] { return Exists(Run() + "/run.json"); }));
  const uint64_t before = proxy_->counts().up;
  Step(1);
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  EXPECT_LT(proxy_->counts().up - before, 1u << 20);
  struct stat source = {};
  struct stat arrived = {};
  ASSERT_EQ(stat(SourceOf("sparse").c_str(), &source), 0);
  ASSERT_EQ(stat(PathOf("sparse").c_str(), &arrived), 0);
  EXPECT_EQ(arrived.st_size, int64_t{4} << 30);
  EXPECT_LE(arrived.st_blocks * 512, source.st_blocks * 512 + (1 << 20));
  MustRun({.argv = {"/bin/sh", "-c",
                    "for at in 0 1 3; do dd if='" + PathOf("sparse") +
                        "' bs=1M skip=$((at * 1024)) count=1 2>/dev/null |"
                        " head -n 1 | grep -qx \"mark $at\" || exit 1; done"}});
}

// ---- files that change ----

TEST_F(OutputFiles, RewrittenInPlaceWithTheOldTimeAreSentAgain) {
  Subprocess& job = Start(
      "echo aaaa >outputs/model; touch -r outputs/model time; await 1;"
      "echo bbbb | dd of=outputs/model conv=notrunc 2>/dev/null;"
      "touch -r time outputs/model; await 2;"
      "echo cccc | dd of=outputs/model conv=notrunc 2>/dev/null;"
      "touch -r time outputs/model");
  ExpectSoon("model", "aaaa\n", job);
  Step(1);
  ExpectSoon("model", "bbbb\n", job);
  Step(2);
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  EXPECT_EQ(Arrived("model"), "cccc\n");
}

TEST_F(OutputFiles, RewrittenWhileTheyAreSentAreNeverMixed) {
  Subprocess& job = StartThroughProxy(
      "fill() { head -c 33554432 /dev/zero | tr '\\0' $1; };"
      "fill a >outputs/model; touch -r outputs/model time; await 1;"
      "fill b | dd of=outputs/model conv=notrunc bs=1M iflag=fullblock"
      " 2>/dev/null; touch -r time outputs/model; echo >done; await 2");
  const auto is_whole = [](const std::string& bytes) {
    return bytes.size() == 33'554'432 &&
           bytes.find_first_not_of(bytes[0]) == std::string::npos;
  };
  ASSERT_TRUE(proxy_->WaitFor(
      [](const ProxyCounts& counts) { return counts.up > (4 << 20); }, kLater))
      << job.Text();
  proxy_->Set({.stalls_up = true});
  Step(1);
  ASSERT_TRUE(Eventually([&] { return Exists(directory_.File("job0/done")); }));
  proxy_->Set({});
  bool was_mixed = false;
  EXPECT_TRUE(Eventually(
      [&] {
        const std::string bytes = Arrived("model");
        was_mixed = was_mixed || (!bytes.empty() && !is_whole(bytes));
        return !bytes.empty() && bytes[0] == 'b';
      },
      kLater))
      << job.Text();
  EXPECT_FALSE(was_mixed);
  Step(2);
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  EXPECT_TRUE(is_whole(Arrived("model")));
}

// ---- connections that break ----

TEST_F(OutputFiles, GoOnWhereTheConnectionBroke) {
  constexpr uint64_t kBytes = uint64_t{256} << 20;
  Subprocess& job = StartThroughProxy(
      "await 1; head -c 268435456 /dev/urandom >model; mv model outputs");
  ASSERT_TRUE(Eventually([&] { return Exists(Run() + "/run.json"); }))
      << job.Text();
  // Not the same in every run: told, for the case that it fails.
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::minstd_rand random(seed);
  std::uniform_int_distribution<uint64_t> bytes(1, kBytes / 6);
  const uint64_t before = proxy_->counts().up;
  Step(1);
  for (int cut = 0; cut < 6; ++cut) {
    const uint64_t connections = proxy_->counts().connections;
    proxy_->CutAfter(bytes(random), Direction::kUp,
                     cut % 2 == 0 ? Cut::kReset : Cut::kClose);
    ASSERT_TRUE(proxy_->WaitFor(
        [&](const ProxyCounts& counts) {
          return counts.connections > connections;
        },
        kLater))
        << "cut " << cut << job.Text();
  }
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  EXPECT_LT(proxy_->counts().up - before, kBytes + kBytes / 10);
  EXPECT_EQ(DigestOfFile(PathOf("model")), DigestOfFile(SourceOf("model")));
}

TEST_F(OutputFiles, GoOnAfterTheDeathOfTheCollector) {
  Subprocess& job = StartThroughProxy(
      "await 1; head -c 67108864 /dev/urandom >model; mv model outputs");
  ASSERT_TRUE(Eventually([&] { return Exists(Run() + "/run.json"); }))
      << job.Text();
  const uint64_t before = proxy_->counts().up;
  Step(1);
  ASSERT_TRUE(proxy_->WaitFor(
      [&](const ProxyCounts& counts) {
        return counts.up > before + (16 << 20);
      },
      kLater));
  collector_.Kill();
  ASSERT_TRUE(collector_.Start());
  ASSERT_EQ(EndOf(job), Code(0)) << job.Text();
  EXPECT_EQ(DigestOfFile(PathOf("model")), DigestOfFile(SourceOf("model")));
  for (const std::string& file : FilesBelow(Run())) {
    EXPECT_THAT(file, Not(HasSubstr("parts/"))) << "a part was left";
  }
}

TEST_F(OutputFiles, ThatCannotBeSentAreNamed) {
  Subprocess& job = Start(
      "echo one >outputs/sent; await 1; mkdir outputs/late;"
      "echo two >outputs/late/unsent",
      {{"--collect-timeout", "500ms"}});
  ExpectSoon("sent", "one\n", job);
  collector_.Kill();
  Step(1);
  EXPECT_EQ(EndOf(job), Code(75)) << job.Text();
  EXPECT_THAT(job.Err(), HasSubstr("outputs/late/unsent"));
  // They are where they were.
  EXPECT_EQ(ReadFile(SourceOf("late/unsent")), "two\n");
}

TEST_F(OutputFiles, ThatCannotBeSentDoNotHideAFailure) {
  Subprocess& job = Start("await 1; echo two >outputs/unsent; exit 9",
                          {{"--collect-timeout", "500ms"}});
  ASSERT_TRUE(Eventually([&] { return Exists(Run() + "/run.json"); }));
  collector_.Kill();
  Step(1);
  EXPECT_EQ(EndOf(job), Code(9)) << job.Text();
  EXPECT_THAT(job.Err(), HasSubstr("outputs/unsent"));
}

}  // namespace
}  // namespace muster::test
