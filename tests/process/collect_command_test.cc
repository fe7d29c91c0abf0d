// muster collect as a process: what it says, how it ends, and that no byte is
// lost or doubled however it is killed.
#include <signal.h>

#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/collector/files_client.h"
#include "tests/launcher/collector/logs_client.h"
#include "tests/support/files.h"
#include "tests/support/muster.h"
#include "tests/support/subprocess.h"

namespace muster::test {
namespace {

using collector::CallDeadline;
using collector::Data;
using collector::EndOf;
using collector::FilesClient;
using collector::FinishAll;
using collector::Gap;
using collector::LogsClient;
using collector::NodeOfTest;
using collector::Record;
using collector::Stdout;
using ::testing::AllOf;
using ::testing::HasSubstr;

class CollectCommand : public ::testing::Test {
 protected:
  std::vector<std::string> Argv(const std::string& listen = "127.0.0.1:0") {
    return {MusterBinary(), "collect", "--dir", runs(), "--listen", listen};
  }

  // `before` stands in front of the command, as strace does.
  void Start(const std::string& failpoint = "",
             std::vector<std::string> before = {}) {
    collector_.reset();
    for (const std::string& word : Argv()) before.push_back(word);
    Command command = {.argv = before, .cwd = directory_.path()};
    if (!failpoint.empty()) command.env["MUSTER_FAILPOINT"] = failpoint;
    collector_ = std::make_unique<Subprocess>(command);
    ASSERT_TRUE(collector_->WaitForOutput("listening on ")) << Text();
    // The line may be there in part.
    ASSERT_TRUE(Eventually([this] {
      return !Lines(Out()).empty() && Out().find('\n') != Out().npos;
    }));
    const std::vector<std::string> words = absl::StrSplit(Lines(Out())[0], ':');
    ASSERT_TRUE(absl::SimpleAtoi(words.back(), &port_)) << Text();
    channel_ = collector::OpenChannel(port_);
  }

  std::string Out() const { return collector_->Out(); }
  std::string Text() const { return collector_->Text(); }
  std::string runs() const { return directory_.File("runs"); }
  std::string In(const std::string& name) const {
    return runs() + "/run/" + name;
  }

  const TempDir directory_;
  std::unique_ptr<Subprocess> collector_;
  int port_ = 0;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(CollectCommand, SaysWhatBeginsAndWhatIsOver) {
  Start();
  EXPECT_EQ(Lines(Out())[0], absl::StrCat("collecting into ", runs(),
                                          ", listening on 127.0.0.1:", port_));
  ASSERT_TRUE(Record(channel_, "run").ok());
  EXPECT_TRUE(collector_->WaitForOutput("run run begins\n")) << Text();
  {
    LogsClient node(channel_, NodeOfTest());
    ASSERT_TRUE(node.AwaitWelcome());
    ASSERT_TRUE(node.Send(Data(Stdout(0), 0, std::string(2048, 'x'))));
    ASSERT_TRUE(node.Send(Gap(Stdout(0), 2048, 1024)));
    ASSERT_TRUE(node.Send(FinishAll()));
    ASSERT_TRUE(node.AwaitDone());
  }
  ASSERT_TRUE(Record(channel_, "run", RECORD_REPORT, "{}").ok());
  EXPECT_TRUE(collector_->WaitForOutput(
      "run run is over: 2.0 KiB of logs, 1.0 KiB missing\n"))
      << Text();
  collector_->Signal(SIGTERM);
  EXPECT_EQ(collector_->Wait(), Code(0)) << Text();
  EXPECT_EQ(collector_->Err(), "");
}

TEST_F(CollectCommand, ShowsOnATerminalHowMuchComesIn) {
  Start("", {"/bin/sh", "-c", "exec script -qefc \"$*\" /dev/null", "sh"});
  ASSERT_TRUE(Record(channel_, "run").ok());
  LogsClient logs(channel_, NodeOfTest());
  ASSERT_TRUE(logs.AwaitWelcome());
  ASSERT_TRUE(logs.Send(Data(Stdout(0), 0, std::string(2048, 'x'))));
  ASSERT_TRUE(logs.AwaitDurable(1));
  EXPECT_TRUE(collector_->WaitForOutput("2.0 KiB of logs, ")) << Text();
  FilesClient files(channel_);
  ASSERT_TRUE(files.Store("outputs/a", std::string(300 << 10, 'x')));
  EXPECT_TRUE(
      collector_->WaitForOutput("2.0 KiB of logs, 300 KiB of files, 600 KiB/s"))
      << Text();
}

TEST_F(CollectCommand, EndsOpenStreamsWhenItIsToldToLeaveAndGoesOnLater) {
  Start();
  ASSERT_TRUE(Record(channel_, "run").ok());
  LogsClient node(channel_, NodeOfTest());
  ASSERT_TRUE(node.AwaitWelcome());
  ASSERT_TRUE(node.Send(Data(Stdout(0), 0, "one")));
  ASSERT_TRUE(node.AwaitDurable(1));
  collector_->Signal(SIGINT);
  EXPECT_EQ(collector_->Wait(), Code(0)) << Text();
  EXPECT_EQ(node.End().error_code(), grpc::StatusCode::UNAVAILABLE);
  Start();
  LogsClient again(channel_, NodeOfTest());
  ASSERT_TRUE(again.AwaitWelcome());
  EXPECT_EQ(again.PositionOf(Stdout(0)), 3u);
  EXPECT_TRUE(collector_->WaitForOutput("run run goes on\n")) << Text();
}

TEST_F(CollectCommand, ASecondOneOfTheSameDirectoryIsToldWhoIsThere) {
  Start();
  Subprocess second(Command{.argv = Argv(), .cwd = directory_.path()});
  EXPECT_EQ(second.Wait(), Code(78)) << second.Text();
  EXPECT_THAT(
      second.Err(),
      AllOf(HasSubstr(absl::StrCat("process ", collector_->pid(), " on ")),
            HasSubstr("--dir"), HasSubstr(runs())));
  EXPECT_TRUE(Record(channel_, "run").ok()) << "the first one goes on";
  collector_->Signal(SIGKILL);
  EXPECT_EQ(collector_->Wait(), Killed(SIGKILL));
  Start();
}

TEST_F(CollectCommand, ASecondOneOfTheSamePortIsToldWhoIsThere) {
  Start();
  std::vector<std::string> argv = Argv(absl::StrCat("127.0.0.1:", port_));
  argv[3] = directory_.File("others");
  Subprocess second(Command{.argv = argv, .cwd = directory_.path()});
  EXPECT_EQ(second.Wait(), Code(78)) << second.Text();
  EXPECT_THAT(second.Err(),
              AllOf(HasSubstr(absl::StrCat("process ", collector_->pid(), " ")),
                    HasSubstr("--listen"), HasSubstr(absl::StrCat(port_))));
  EXPECT_TRUE(Record(channel_, "run").ok());
}

TEST_F(CollectCommand, ADirectoryThatCannotBeIsUsage) {
  WriteFile(directory_.File("file"), "");
  Subprocess collect(Command{.argv = {MusterBinary(), "collect", "--dir",
                                      "file/runs", "--listen", "127.0.0.1:0"},
                             .cwd = directory_.path()});
  EXPECT_EQ(collect.Wait(), Code(64)) << collect.Text();
  EXPECT_THAT(collect.Err(), AllOf(HasSubstr("--dir"), HasSubstr("file/runs")));
}

// ---- kill points ----

// A worker's output in which every byte tells its place.
std::string Written(uint64_t from, uint64_t to) {
  std::string bytes;
  while (from + bytes.size() < to) {
    const uint64_t line = (from + bytes.size()) / 16;
    const std::string text = absl::StrFormat("%015u\n", line);
    bytes += text.substr((from + bytes.size()) % 16);
  }
  return bytes.substr(0, to - from);
}

struct KillPoint {
  std::string name;
  int times;
  friend void PrintTo(const KillPoint& point, std::ostream* out) {
    *out << point.name << ":" << point.times;
  }
};

class KilledAt : public CollectCommand,
                 public ::testing::WithParamInterface<KillPoint> {
 protected:
  static constexpr uint64_t kWhole = 40 * 16;
  static constexpr uint64_t kPiece = 100;
  static constexpr uint64_t kGapAt = 300;
  static constexpr uint64_t kGapLength = 50;

  // Makes the run and sends all of it, or as much as it can. What was said to
  // be durable stays in `durable_`.
  bool SendAll() {
    if (!Record(channel_, "run").ok()) return false;
    LogsClient node(channel_, NodeOfTest());
    if (!node.AwaitWelcome()) return false;
    uint64_t at = node.PositionOf(Stdout(0));
    EXPECT_GE(at, durable_) << "what was acknowledged is gone";
    const bool ended =
        node.welcome().streams_size() > 0 && node.welcome().streams(0).ended();
    uint64_t messages = 0;
    while (at < kWhole) {
      uint64_t end = std::min(at + kPiece, kWhole);
      if (at < kGapAt) end = std::min(end, kGapAt);
      const bool is_gap = at == kGapAt;
      if (is_gap) end = at + kGapLength;
      if (!node.Send(is_gap ? Gap(Stdout(0), at, end - at)
                            : Data(Stdout(0), at, Written(at, end)))) {
        return false;
      }
      at = end;
      if (!node.AwaitDurable(++messages)) return false;
      durable_ = at;
    }
    if (!ended && !node.Send(EndOf(Stdout(0), at))) return false;
    return node.Send(FinishAll()) && node.AwaitDone() &&
           Record(channel_, "run", RECORD_REPORT, "{}").ok();
  }

  uint64_t durable_ = 0;
};

TEST_P(KilledAt, NothingIsLostAndNothingIsTwice) {
  Start(absl::StrCat("collector.", GetParam().name, ":", GetParam().times));
  ASSERT_FALSE(SendAll()) << "the place was never reached";
  ASSERT_EQ(collector_->Wait(), Killed(SIGKILL)) << Text();
  Start();
  ASSERT_TRUE(SendAll()) << Text();
  EXPECT_EQ(ReadFile(In("logs/0.stdout")),
            Written(0, kGapAt) + Written(kGapAt + kGapLength, kWhole));
  EXPECT_THAT(ReadFile(In("logs/0.stdout.gaps")),
              AllOf(HasSubstr("{\"offset\":300,\"length\":50,"),
                    ::testing::ResultOf(
                        [](const std::string& text) { return Lines(text); },
                        ::testing::SizeIs(1))));
  EXPECT_EQ(ReadFile(In("report.json")), "{}");
  collector_->Signal(SIGTERM);
  EXPECT_EQ(collector_->Wait(), Code(0)) << Text();
  for (const std::string& file : FilesBelow(runs())) {
    EXPECT_THAT(file, ::testing::Not(HasSubstr(".new")));
    EXPECT_THAT(file, ::testing::Not(HasSubstr(".muster-new")));
  }
}

INSTANTIATE_TEST_SUITE_P(
    EachPlace, KilledAt,
    ::testing::Values(
        KillPoint{"before_write", 1}, KillPoint{"before_write", 4},
        KillPoint{"before_sync", 1}, KillPoint{"before_sync", 3},
        KillPoint{"before_sync", 5}, KillPoint{"before_journal", 1},
        KillPoint{"before_journal", 3}, KillPoint{"before_journal", 5},
        KillPoint{"before_ack", 1}, KillPoint{"before_ack", 2},
        KillPoint{"before_ack", 5},
        // the key, the journal and the report
        KillPoint{"before_rename", 1}, KillPoint{"before_rename", 2},
        KillPoint{"before_rename", 3}),
    [](const auto& param_info) {
      return absl::StrCat(param_info.param.name, "_", param_info.param.times);
    });

// ---- a disk that fails ----

bool CanTrace() {
  Subprocess trace(Command{.argv = {"strace", "-qq", "-o", "/dev/null", "-e",
                                    "trace=fdatasync", "true"}});
  return trace.Wait() == Code(0);
}

class FailingDisk : public CollectCommand,
                    public ::testing::WithParamInterface<int> {};

TEST_P(FailingDisk, EndsItWith70AndNothingIsAcknowledged) {
  if (!CanTrace()) GTEST_SKIP() << "needs strace and the right to trace";
  const uint64_t kBefore = 3;
  Start();
  ASSERT_TRUE(Record(channel_, "run").ok());
  {
    LogsClient node(channel_, NodeOfTest());
    ASSERT_TRUE(node.AwaitWelcome());
    ASSERT_TRUE(node.Send(Data(Stdout(0), 0, Written(0, kBefore))));
    ASSERT_TRUE(node.AwaitDurable(1));
  }
  collector_->Signal(SIGTERM);
  ASSERT_EQ(collector_->Wait(), Code(0));
  // The first one of the thread that opens the run is the journal's, whose end
  // may not be on the disk yet. On the thread of the commits the first one of
  // each is the log's, the second one the journal's.
  Start("",
        {"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync",
         "-e", absl::StrCat("inject=fdatasync:error=EIO:when=", GetParam())});
  uint64_t durable = kBefore;
  {
    LogsClient node(channel_, NodeOfTest());
    const bool is_open = node.AwaitWelcome();
    ASSERT_EQ(is_open, GetParam() > 1);
    ASSERT_EQ(node.PositionOf(Stdout(0)), is_open ? kBefore : 0);
    for (uint64_t i = 0; is_open && i < 5; ++i) {
      node.Send(Data(Stdout(0), kBefore + 100 * i,
                     Written(kBefore + 100 * i, kBefore + 100 * (i + 1))));
      if (!node.AwaitDurable(i + 1)) break;
      durable = kBefore + 100 * (i + 1);
    }
    EXPECT_LT(durable, kBefore + 500) << "no sync failed";
    const grpc::Status status = node.End();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
    EXPECT_THAT(status.error_message(), HasSubstr(runs()));
  }
  EXPECT_EQ(collector_->Wait(), Code(70)) << Text();
  EXPECT_THAT(collector_->Err(),
              AllOf(HasSubstr(In("")), HasSubstr("Input/output error")));
  Start();
  LogsClient node(channel_, NodeOfTest());
  ASSERT_TRUE(node.AwaitWelcome());
  const uint64_t at = node.PositionOf(Stdout(0));
  EXPECT_GE(at, durable);
  EXPECT_EQ(ReadFile(In("logs/0.stdout")), Written(0, at));
  ASSERT_TRUE(node.Send(Data(Stdout(0), at, Written(at, 1000))));
  ASSERT_TRUE(node.AwaitDurable(1));
  EXPECT_EQ(ReadFile(In("logs/0.stdout")), Written(0, 1000));
}

INSTANTIATE_TEST_SUITE_P(OfTheLogAndOfTheJournal, FailingDisk,
                         ::testing::Values(1, 2, 5, 6));

// What is no part of a log's commit: the run itself, its documents, its files.
class FailingSync : public CollectCommand {
 protected:
  void StartFailing(const std::string& call, int when) {
    Start("", {"strace", "-f", "-qq", "-o", "/dev/null", "-e",
               absl::StrCat("trace=", call), "-e",
               absl::StrCat("inject=", call, ":error=EIO:when=", when)});
  }
  void ExpectTheEnd(const grpc::Status& status) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS)
        << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(runs() + "/run"));
    EXPECT_EQ(collector_->Wait(), Code(70)) << Text();
    EXPECT_THAT(collector_->Err(), AllOf(HasSubstr(runs() + "/run"),
                                         HasSubstr("Input/output error")));
  }
};

TEST_F(FailingSync, OfANewRunEndsIt) {
  if (!CanTrace()) GTEST_SKIP() << "needs strace and the right to trace";
  StartFailing("fdatasync", 2);  // the key's, then the journal's
  ExpectTheEnd(Record(channel_, "run"));
  Start();
  EXPECT_TRUE(Record(channel_, "run").ok()) << Text();
}

TEST_F(FailingSync, OfADocumentEndsItAndNothingMoreIsTaken) {
  if (!CanTrace()) GTEST_SKIP() << "needs strace and the right to trace";
  Start();
  ASSERT_TRUE(Record(channel_, "run").ok());
  collector_->Signal(SIGTERM);
  ASSERT_EQ(collector_->Wait(), Code(0));
  StartFailing("fdatasync", 3);  // after the journal's, that of run.json
  ASSERT_TRUE(Record(channel_, "run", RECORD_RUN, "{}").ok()) << Text();
  ExpectTheEnd(Record(channel_, "run", RECORD_EVENTS, "{}\n"));
}

TEST_F(FailingSync, OfAFileEndsIt) {
  if (!CanTrace()) GTEST_SKIP() << "needs strace and the right to trace";
  Start();
  ASSERT_TRUE(Record(channel_, "run").ok());
  collector_->Signal(SIGTERM);
  ASSERT_EQ(collector_->Wait(), Code(0));
  StartFailing("fdatasync", 2);
  FilesClient node(channel_);
  EXPECT_TRUE(node.Store("outputs/1", "x"));
  EXPECT_FALSE(node.Store("outputs/2", "x"));
  ExpectTheEnd(node.End());
  EXPECT_FALSE(Exists(In("nodes/node0/outputs/2")));
}

}  // namespace
}  // namespace muster::test
