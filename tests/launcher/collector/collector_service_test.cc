// The service behind a real server, with nodes that the test plays.
#include "launcher/collector/collector_service.h"

#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/collector/files.h"
#include "tests/launcher/collector/files_client.h"
#include "tests/launcher/collector/logs_client.h"
#include "tests/launcher/collector/test_collector.h"

namespace muster::collector {
namespace {

using grpc::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;

class CollectorServiceTest : public testing::Test {
 protected:
  void StartCollector(RunStore::Options options = {},
                      CollectorOptions service = {}) {
    collector_.reset();
    collector_ = std::make_unique<TestCollector>(runs(), std::move(options),
                                                 std::move(service));
    channel_ = collector_->Channel();
  }
  void StartWithARun() {
    StartCollector();
    ASSERT_TRUE(Record(channel_, "run").ok());
  }
  std::string runs() const { return base_ / "runs"; }
  std::string In(const std::string& name) const {
    return runs() + "/run/" + name;
  }

  TempDir base_;
  std::unique_ptr<TestCollector> collector_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(CollectorServiceTest, TakesWhatANodeSendsAndSaysWhatIsDurable) {
  StartWithARun();
  LogsClient node(channel_, {});
  ASSERT_TRUE(node.AwaitWelcome()) << node.End().error_message();
  EXPECT_EQ(node.welcome().streams_size(), 0);
  EXPECT_EQ(node.welcome().window_bytes(), uint64_t{64} << 20);
  ASSERT_TRUE(node.Send(Data(Stdout(0), 0, "hello ")));
  ASSERT_TRUE(node.Send(Data(Stdout(0), 6, "world\n")));
  ASSERT_TRUE(node.AwaitDurable(2));
  ASSERT_TRUE(node.Send(Gap(Stdout(0), 12, 100)));
  ASSERT_TRUE(node.Send(Data(Stdout(0), 112, "after")));
  ASSERT_TRUE(node.Send(EndOf(Stdout(0), 117)));
  ASSERT_TRUE(node.Send(FinishAll()));
  ASSERT_TRUE(node.AwaitDone());
  EXPECT_EQ(node.durable(), 5u);
  EXPECT_EQ(node.done().stored_bytes(), 17u);
  EXPECT_EQ(node.done().gap_bytes(), 100u);
  EXPECT_TRUE(node.End().ok());
  EXPECT_EQ(ReadFile(In("logs/0.stdout")), "hello world\nafter");
  EXPECT_EQ(ReadFile(In("logs/0.stdout.gaps")),
            "{\"offset\":12,\"length\":100,\"reason\":\"spool-full\",\"at\":"
            "\"1970-01-01T00:00:00.000Z\"}\n");
  EXPECT_EQ(ReadFile(In("logs/0.stderr")), "");
}

TEST_F(CollectorServiceTest, GoesOnWhereABrokenStreamWas) {
  StartWithARun();
  {
    LogsClient node(channel_, {});
    ASSERT_TRUE(node.AwaitWelcome());
    ASSERT_TRUE(node.Send(Data(Stdout(0), 0, "one")));
    ASSERT_TRUE(node.Send(Gap(Stdout(0), 3, 7)));
    ASSERT_TRUE(node.AwaitDurable(2));
  }
  LogsClient node(channel_, {});
  ASSERT_TRUE(node.AwaitWelcome());
  EXPECT_EQ(node.PositionOf(Stdout(0)), 10u);
  ASSERT_TRUE(node.Send(Data(Stdout(0), 10, "two")));
  ASSERT_TRUE(node.Send(EndOf(Stdout(0), 13, STREAM_END_ABANDONED)));
  ASSERT_TRUE(node.Send(FinishAll()));
  ASSERT_TRUE(node.AwaitDone());
  EXPECT_EQ(ReadFile(In("logs/0.stdout")), "onetwo");
  EXPECT_THAT(ReadFile(In("logs/0.stdout.gaps")),
              HasSubstr("\n{\"offset\":13,\"end\":\"abandoned\"}\n"));
}

TEST_F(CollectorServiceTest, GoesOnWithARunOfAnEarlierProcess) {
  StartWithARun();
  {
    LogsClient node(channel_, {});
    ASSERT_TRUE(node.AwaitWelcome());
    ASSERT_TRUE(node.Send(Data(Stdout(0), 0, "one")));
    ASSERT_TRUE(node.AwaitDurable(1));
  }
  StartCollector();
  LogsClient node(channel_, {});
  ASSERT_TRUE(node.AwaitWelcome()) << node.End().error_message();
  EXPECT_EQ(node.PositionOf(Stdout(0)), 3u);
  EXPECT_THAT(collector_->events().Wait(1), ElementsAre("again run"));
}

TEST_F(CollectorServiceTest, ALaterStreamTakesOverFromOneThatHangs) {
  StartWithARun();
  LogsClient hanging(channel_, {});
  ASSERT_TRUE(hanging.AwaitWelcome());
  ASSERT_TRUE(hanging.Send(Data(Stdout(0), 0, "one")));
  ASSERT_TRUE(hanging.AwaitDurable(1));
  LogsClient node(collector_->Channel(), {});
  ASSERT_TRUE(node.AwaitWelcome());
  EXPECT_EQ(node.PositionOf(Stdout(0)), 3u);
  EXPECT_EQ(hanging.End().error_code(), StatusCode::CANCELLED);
  ASSERT_TRUE(node.Send(Data(Stdout(0), 3, "two")));
  ASSERT_TRUE(node.AwaitDurable(1));
  EXPECT_EQ(ReadFile(In("logs/0.stdout")), "onetwo");
}

TEST_F(CollectorServiceTest, AnEarlierIncarnationIsFencedOffForEver) {
  StartWithARun();
  LogsClient first(channel_, {});
  ASSERT_TRUE(first.AwaitWelcome());
  ASSERT_TRUE(first.Send(Data(Stdout(0), 0, "of the first")));
  ASSERT_TRUE(first.AwaitDurable(1));
  const NodeOfTest second = {.incarnation = "second"};
  {
    LogsClient later(channel_, second);
    ASSERT_TRUE(later.AwaitWelcome());
    EXPECT_EQ(later.PositionOf(Stdout(0)), 0u);
    ASSERT_TRUE(later.Send(Data(Stdout(0), 0, "of the second")));
    ASSERT_TRUE(later.AwaitDurable(1));
  }
  EXPECT_EQ(first.End().error_code(), StatusCode::CANCELLED);
  EXPECT_EQ(LogsClient(channel_, {}).End().error_code(), StatusCode::ABORTED);
  StartCollector();
  EXPECT_EQ(LogsClient(channel_, {}).End().error_code(), StatusCode::ABORTED);
  LogsClient later(channel_, second);
  ASSERT_TRUE(later.AwaitWelcome());
  EXPECT_EQ(later.PositionOf(Stdout(0)), 13u);
  EXPECT_EQ(ReadFile(In("logs/0.stdout")), "of the first");
  EXPECT_EQ(ReadFile(In("logs/incarnation1/0.stdout")), "of the second");
}

TEST_F(CollectorServiceTest, AWrongKeyIsDeniedAndLeavesNoTrace) {
  StartWithARun();
  const auto before = Tree(base_.path());
  const NodeOfTest wrong = {.run_key = std::string(kKeyBytes, 'x')};
  Introduction other_node = IntroductionOf({.node = 1, .world = 2});
  other_node.set_node_rank(0);
  other_node.set_first_rank(0);
  Introduction other_ranks = IntroductionOf({.world = 2});
  other_ranks.set_first_rank(1);
  Introduction no_key = IntroductionOf({});
  no_key.clear_key();
  for (const Introduction& introduction :
       {IntroductionOf(wrong), other_node, other_ranks, no_key}) {
    LogsClient peer(channel_);
    LogUp message;
    *message.mutable_introduction() = introduction;
    peer.Send(message);
    const grpc::Status status = peer.End();
    EXPECT_EQ(status.error_code(), StatusCode::PERMISSION_DENIED)
        << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr("run"));
  }
  LogsClient unknown(channel_, {.run_id = "other"});
  EXPECT_EQ(unknown.End().error_code(), StatusCode::NOT_FOUND);
  LogsClient outside(channel_, {.run_id = "../runs/run"});
  EXPECT_EQ(outside.End().error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(Tree(base_.path()), before);
}

LogUp IntroduceOrphan(const NodeOfTest& node) {
  LogUp message = Introduce(node);
  message.mutable_introduction()->set_orphaned(true);
  return message;
}

TEST_F(CollectorServiceTest, WhatADeadAgentLeftMakesARunThatNobodyHeardOf) {
  StartCollector();
  const NodeOfTest dead = {.node = 1, .world = 2};
  {
    LogsClient node(channel_);
    node.Send(IntroduceOrphan(dead));
    ASSERT_TRUE(node.AwaitWelcome()) << node.End().error_message();
    ASSERT_TRUE(node.Send(Data(Stdout(1), 0, "one")));
    ASSERT_TRUE(node.AwaitDurable(1));
    EXPECT_THAT(collector_->events().Wait(1), ElementsAre("new run"));
  }
  StartCollector();  // which knows it again
  LogsClient node(channel_);
  node.Send(IntroduceOrphan(dead));
  ASSERT_TRUE(node.AwaitWelcome()) << node.End().error_message();
  EXPECT_EQ(node.PositionOf(Stdout(1)), 3u);
  ASSERT_TRUE(node.Send(EndOf(Stdout(1), 3, STREAM_END_AGENT_DIED)));
  ASSERT_TRUE(node.Send(FinishAll()));
  ASSERT_TRUE(node.AwaitDone());
  EXPECT_EQ(ReadFile(In("logs/1.stdout")), "one");
  EXPECT_THAT(collector_->events().Wait(2),
              ElementsAre("again run", "over run"));
}

TEST_F(CollectorServiceTest, ARunThatNobodyHeardOfIsOfThoseWhoseKeysItHas) {
  StartCollector();
  const NodeOfTest dead = {.node = 1, .world = 2};
  {
    LogsClient node(channel_);
    node.Send(IntroduceOrphan(dead));
    ASSERT_TRUE(node.AwaitWelcome()) << node.End().error_message();
  }
  const std::string other_key(kKeyBytes, 'x');
  NodeOfTest other = dead;
  other.run_key = other_key;
  LogsClient stranger(channel_);
  stranger.Send(IntroduceOrphan(other));
  EXPECT_EQ(stranger.End().error_code(), StatusCode::PERMISSION_DENIED);
  LogsClient early(channel_, {.world = 2});
  EXPECT_EQ(early.End().error_code(), StatusCode::NOT_FOUND)
      << "a living agent waits for its coordinator";
  EXPECT_EQ(
      Record(channel_, "run", RECORD_RUN, "{}", 0, other_key).error_code(),
      StatusCode::ALREADY_EXISTS);
  // Its coordinator was slow.
  ASSERT_TRUE(Record(channel_, "run", RECORD_RUN, "{}").ok());
  EXPECT_EQ(ReadFile(In("run.json")), "{}");
  LogsClient living(channel_, {.world = 2});
  EXPECT_TRUE(living.AwaitWelcome()) << living.End().error_message();
  StartCollector();
  EXPECT_EQ(
      Record(channel_, "run", RECORD_RUN, "{}", 0, other_key).error_code(),
      StatusCode::ALREADY_EXISTS);
  EXPECT_TRUE(Record(channel_, "run", RECORD_RUN, "{}").ok());
}

TEST_F(CollectorServiceTest, WhatIsNotSoundMakesNoRun) {
  StartCollector();
  const auto before = Tree(base_.path());
  LogUp no_key = IntroduceOrphan({});
  no_key.mutable_introduction()->clear_key();
  LogUp no_world = IntroduceOrphan({});
  no_world.mutable_introduction()->set_world_size(0);
  LogUp outside = IntroduceOrphan({.run_id = "../run"});
  for (const LogUp& message : {no_key, no_world, outside}) {
    LogsClient peer(channel_);
    peer.Send(message);
    EXPECT_FALSE(peer.AwaitWelcome());
  }
  EXPECT_EQ(Tree(base_.path()), before);
}

struct Wrong {
  const char* what;
  std::vector<LogUp> messages;
};

TEST_F(CollectorServiceTest, RefusesWhatTheContractForbids) {
  StreamName no_stream;
  StreamName agent_of_rank;
  agent_of_rank.set_kind(STREAM_AGENT);
  agent_of_rank.set_rank(1);
  const LogUp hello = Introduce({});
  const Wrong wrongs[] = {
      {"no introduction", {Data(Stdout(0), 0, "x")}},
      {"nothing", {LogUp()}},
      {"a second introduction", {hello, hello}},
      {"another node's rank", {hello, Data(Stdout(1), 0, "x")}},
      {"no stream", {hello, Data(no_stream, 0, "x")}},
      {"an agent with a rank", {hello, Data(agent_of_rank, 0, "x")}},
      {"bytes that do not follow", {hello, Data(Stdout(0), 1, "x")}},
      {"a gap that does not follow", {hello, Gap(Stdout(0), 1, 1)}},
      {"a gap of nothing", {hello, Gap(Stdout(0), 0, 0)}},
      {"an endless gap", {hello, Gap(Stdout(0), 0, ~uint64_t{0})}},
      {"an end elsewhere", {hello, EndOf(Stdout(0), 1)}},
      {"an end without a reason",
       {hello, EndOf(Stdout(0), 0, STREAM_END_UNSPECIFIED)}},
      {"an empty message", {hello, LogUp()}},
      {"too many bytes",
       {hello, Data(Stdout(0), 0, std::string(kMaxLogData + 1, 'x'))}},
      {"bytes after the end",
       {hello, EndOf(Stdout(0), 0), Data(Stdout(0), 0, "x")}},
  };
  StartWithARun();
  for (const Wrong& wrong : wrongs) {
    LogsClient peer(channel_);
    for (const LogUp& message : wrong.messages) peer.Send(message);
    const grpc::Status status = peer.End();
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT)
        << wrong.what << ": " << status.error_message();
    EXPECT_FALSE(status.error_message().empty()) << wrong.what;
  }
  EXPECT_EQ(ReadFile(In("logs/0.stdout")), "");
}

TEST_F(CollectorServiceTest, AMessageOverFourMebibytesIsRefused) {
  StartWithARun();
  LogsClient peer(channel_, {});
  ASSERT_TRUE(peer.AwaitWelcome());
  peer.Send(Data(Stdout(0), 0, std::string((4 << 20) + 1, 'x')));
  EXPECT_EQ(peer.End().error_code(), StatusCode::RESOURCE_EXHAUSTED);
  LogsClient node(channel_, {});
  ASSERT_TRUE(node.AwaitWelcome());
  EXPECT_EQ(ReadFile(In("logs/0.stdout")), "");
}

TEST_F(CollectorServiceTest, KeepsRunsApart) {
  StartWithARun();
  ASSERT_TRUE(Record(channel_, "other", RECORD_UNSPECIFIED, "", 0,
                     std::string(kKeyBytes, 'o'))
                  .ok());
  LogsClient one(channel_, {});
  LogsClient other(channel_,
                   {.run_id = "other", .run_key = std::string(kKeyBytes, 'o')});
  ASSERT_TRUE(one.AwaitWelcome());
  ASSERT_TRUE(other.AwaitWelcome());
  ASSERT_TRUE(one.Send(Data(Stdout(0), 0, "one")));
  ASSERT_TRUE(other.Send(Data(Stdout(0), 0, "other")));
  ASSERT_TRUE(one.AwaitDurable(1));
  ASSERT_TRUE(other.AwaitDurable(1));
  EXPECT_EQ(ReadFile(In("logs/0.stdout")), "one");
  EXPECT_EQ(ReadFile(runs() + "/other/logs/0.stdout"), "other");
}

TEST_F(CollectorServiceTest, ARunOverItsQuotaStopsAndTheOthersGoOn) {
  StartCollector({.run_quota = 1000});
  ASSERT_TRUE(Record(channel_, "run").ok());
  ASSERT_TRUE(Record(channel_, "other").ok());
  const std::string piece(400, 'x');
  LogsClient node(channel_, {});
  ASSERT_TRUE(node.AwaitWelcome());
  ASSERT_TRUE(node.Send(Data(Stdout(0), 0, piece)));
  ASSERT_TRUE(node.Send(Data(Stdout(0), 400, piece)));
  ASSERT_TRUE(node.AwaitDurable(2));
  node.Send(Data(Stdout(0), 800, piece));
  const grpc::Status status = node.End();
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("logs/0.stdout"));
  EXPECT_THAT(status.error_message(), HasSubstr("quota of 1000 bytes"));

  LogsClient other(channel_, {.run_id = "other"});
  ASSERT_TRUE(other.AwaitWelcome());
  ASSERT_TRUE(other.Send(Data(Stdout(0), 0, piece)));
  ASSERT_TRUE(other.AwaitDurable(1));
  // The bound holds for a later process as well; with a larger one it goes on.
  StartCollector({.run_quota = 1000});
  {
    LogsClient again(channel_, {});
    ASSERT_TRUE(again.AwaitWelcome());
    EXPECT_EQ(again.PositionOf(Stdout(0)), 800u);
    again.Send(Data(Stdout(0), 800, piece));
    EXPECT_EQ(again.End().error_code(), StatusCode::RESOURCE_EXHAUSTED);
  }
  EXPECT_TRUE(
      Record(channel_, "run", RECORD_REPORT, std::string(400, ' ')).ok())
      << "the verdict has a place even so";
  StartCollector({.run_quota = 10000});
  LogsClient again(channel_, {});
  ASSERT_TRUE(again.AwaitWelcome());
  ASSERT_TRUE(again.Send(Data(Stdout(0), 800, piece)));
  ASSERT_TRUE(again.AwaitDurable(1));
  EXPECT_EQ(ReadFile(In("logs/0.stdout")), std::string(1200, 'x'));
}

TEST_F(CollectorServiceTest, EndsOpenStreamsWhenItLeavesAndKeepsWhatItTook) {
  StartWithARun();
  LogsClient node(channel_, {});
  ASSERT_TRUE(node.AwaitWelcome());
  ASSERT_TRUE(node.Send(Data(Stdout(0), 0, "taken")));
  ASSERT_TRUE(node.AwaitDurable(1));
  collector_->service().Shutdown();
  EXPECT_EQ(node.End().error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(LogsClient(channel_, {}).End().error_code(),
            StatusCode::UNAVAILABLE);
  EXPECT_EQ(Record(channel_, "run").error_code(), StatusCode::UNAVAILABLE);
  StartCollector();
  LogsClient again(channel_, {});
  ASSERT_TRUE(again.AwaitWelcome());
  EXPECT_EQ(again.PositionOf(Stdout(0)), 5u);
}

TEST_F(CollectorServiceTest, EchoesTheRunThatItIsAttachedTo) {
  ConsolePipe console;
  StartCollector({}, {.console_run = "run", .console_fd = console.fd()});
  ASSERT_TRUE(Record(channel_, "run").ok());
  ASSERT_TRUE(Record(channel_, "other").ok());
  LogsClient other(channel_, {.run_id = "other"});
  ASSERT_TRUE(other.AwaitWelcome());
  ASSERT_TRUE(other.Send(Data(Stdout(0), 0, "of another run\n")));
  ASSERT_TRUE(other.AwaitDurable(1));
  {
    LogsClient node(channel_, {});
    ASSERT_TRUE(node.AwaitWelcome());
    ASSERT_TRUE(node.Send(Data(Stdout(0), 0, "hello\nwor")));
    ASSERT_TRUE(node.AwaitDurable(1));
  }
  LogsClient node(channel_, {});
  ASSERT_TRUE(node.AwaitWelcome());
  ASSERT_TRUE(node.Send(Data(Stdout(0), 9, "ld\nno line end")));
  ASSERT_TRUE(node.AwaitDurable(1));
  collector_->Stop();
  EXPECT_EQ(console.Close(), "[0] hello\n[0] world\n[0] no line end\n");
}

// ---- the record ----

TEST_F(CollectorServiceTest, WritesTheDocumentsOfARun) {
  StartWithARun();
  EXPECT_TRUE(Record(channel_, "run", RECORD_RUN, "{\"a\":1}").ok());
  EXPECT_TRUE(Record(channel_, "run", RECORD_RUN, "{}").ok());
  EXPECT_TRUE(Record(channel_, "run", RECORD_FABRIC, "[]").ok());
  EXPECT_TRUE(Record(channel_, "run", RECORD_EVENTS, "one\n", 0).ok());
  EXPECT_TRUE(Record(channel_, "run", RECORD_EVENTS, "two\n", 4).ok());
  EXPECT_TRUE(Record(channel_, "run", RECORD_EVENTS, "one\n", 0).ok())
      << "again, since the answer was lost";
  const grpc::Status gap = Record(channel_, "run", RECORD_EVENTS, "four\n", 13);
  EXPECT_EQ(gap.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReadFile(In("run.json")), "{}");
  EXPECT_EQ(ReadFile(In("fabric.json")), "[]");
  EXPECT_EQ(ReadFile(In("events.jsonl")), "one\ntwo\n");
  EXPECT_TRUE(Record(channel_, "run", RECORD_REPORT, "{}").ok());
  EXPECT_THAT(collector_->events().Wait(2), ElementsAre("new run", "over run"));
}

TEST_F(CollectorServiceTest, ARunIsOverWhenItsReportIsThereAndNobodySends) {
  StartWithARun();
  LogsClient node(channel_, {});
  ASSERT_TRUE(node.AwaitWelcome());
  ASSERT_TRUE(Record(channel_, "run", RECORD_REPORT, "{}").ok());
  ASSERT_TRUE(node.Send(Data(Stdout(0), 0, "late")));
  ASSERT_TRUE(node.Send(FinishAll()));
  ASSERT_TRUE(node.AwaitDone());
  EXPECT_THAT(collector_->events().Wait(2), ElementsAre("new run", "over run"));
}

TEST_F(CollectorServiceTest, RefusesRecordsThatAreNone) {
  StartWithARun();
  const auto before = Tree(base_.path());
  const auto code = [this](const std::string& run,
                           const std::string& key = TestKey()) {
    return Record(channel_, run, RECORD_RUN, "{}", 0, key).error_code();
  };
  for (const char* id : {"", ".", "..", "a/b", "a b", ".muster", "../run"}) {
    EXPECT_EQ(code(id), StatusCode::INVALID_ARGUMENT) << id;
  }
  EXPECT_EQ(code(std::string(65, 'a')), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(code("fresh", "short"), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(code("run", std::string(kKeyBytes, 'x')),
            StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(Record(channel_, "run", static_cast<RecordDocument>(77), "x")
                .error_code(),
            StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Tree(base_.path()), before);
  WriteFile(runs() + "/old/report.json", "{}");
  EXPECT_EQ(code("old"), StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(Tree(runs() + "/old").size(), 1u);
}

TEST_F(CollectorServiceTest, KeepsTheKeyToItself) {
  StartWithARun();
  struct stat found;
  ASSERT_EQ(stat(In(".muster").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777u, 0700u);
  ASSERT_EQ(stat(In(".muster/key").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777u, 0600u);
  EXPECT_EQ(ReadFile(In(".muster/key")), TestKey());
}

TEST_F(CollectorServiceTest, ARunIsWithOneCollector) {
  StartWithARun();
  TestCollector second(runs());
  const grpc::Status status = Record(second.Channel(), "run");
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(),
              HasSubstr(absl::StrCat("process ", getpid(), " on ")));
  EXPECT_TRUE(Record(second.Channel(), "another").ok());
}

TEST_F(CollectorServiceTest, ARunIsOverWhenItsFilesAreToo) {
  StartWithARun();
  FilesClient files(channel_);
  ASSERT_TRUE(files.AwaitWelcome()) << files.End().error_message();
  {
    LogsClient node(channel_, {});
    ASSERT_TRUE(node.AwaitWelcome());
    ASSERT_TRUE(node.Send(FinishAll()));
    ASSERT_TRUE(node.AwaitDone());
  }
  ASSERT_TRUE(Record(channel_, "run", RECORD_REPORT, "{}").ok());
  ASSERT_TRUE(Record(channel_, "another").ok());
  EXPECT_THAT(collector_->events().Wait(2),
              ElementsAre("new run", "new another"));
  EXPECT_TRUE(files.Finish().ok());
  EXPECT_THAT(collector_->events().Wait(3),
              ElementsAre("new run", "new another", "over run"));
}

// As after a restart of the collector.
TEST_F(CollectorServiceTest, ARunOfWhichOnlyFilesComeIsOverToo) {
  StartWithARun();
  StartCollector();
  {
    FilesClient files(channel_);
    ASSERT_TRUE(files.AwaitWelcome()) << files.End().error_message();
    ASSERT_TRUE(Record(channel_, "run", RECORD_REPORT, "{}").ok());
  }
  EXPECT_THAT(collector_->events().Wait(2),
              ElementsAre("again run", "over run"));
}

TEST_F(CollectorServiceTest, ADamagedJournalIsNamedAndOtherRunsGoOn) {
  StartWithARun();
  {
    LogsClient node(channel_, {});
    ASSERT_TRUE(node.AwaitWelcome());
    for (uint64_t i = 0; i < 3; ++i) {
      ASSERT_TRUE(node.Send(Data(Stdout(0), i, "x")));
      ASSERT_TRUE(node.AwaitDurable(i + 1));
    }
  }
  collector_->Stop();
  std::string journal = ReadFile(In(".muster/journal"));
  journal[40] = static_cast<char>(journal[40] ^ 1);
  WriteFile(In(".muster/journal"), journal);
  StartCollector();
  const grpc::Status status = LogsClient(channel_, {}).End();
  EXPECT_EQ(status.error_code(), StatusCode::DATA_LOSS);
  EXPECT_THAT(status.error_message(), HasSubstr(In(".muster/journal")));
  EXPECT_EQ(ReadFile(In("logs/0.stdout")), "xxx");
  EXPECT_TRUE(Record(channel_, "another").ok());
}

TEST_F(CollectorServiceTest, ALogThatLostBytesIsNamed) {
  StartWithARun();
  {
    LogsClient node(channel_, {});
    ASSERT_TRUE(node.AwaitWelcome());
    ASSERT_TRUE(node.Send(Data(Stdout(0), 0, "acknowledged")));
    ASSERT_TRUE(node.AwaitDurable(1));
  }
  collector_->Stop();
  std::filesystem::resize_file(In("logs/0.stdout"), 3);
  StartCollector();
  const grpc::Status status = LogsClient(channel_, {}).End();
  EXPECT_EQ(status.error_code(), StatusCode::DATA_LOSS);
  EXPECT_THAT(status.error_message(), HasSubstr("logs/0.stdout"));
}

TEST_F(CollectorServiceTest, ManyNodesAtOnceEachGetAllTheirsAcknowledged) {
  constexpr uint32_t kNodes = 40;  // more than are synced one by one
  StartWithARun();
  std::vector<std::unique_ptr<LogsClient>> nodes;
  for (uint32_t node = 0; node < kNodes; ++node) {
    nodes.push_back(std::make_unique<LogsClient>(
        collector_->Channel(), NodeOfTest{.node = node, .world = kNodes}));
  }
  for (auto& node : nodes) ASSERT_TRUE(node->AwaitWelcome());
  EXPECT_EQ(nodes.back()->welcome().window_bytes(),
            (uint64_t{512} << 20) / kNodes);
  for (uint64_t round = 0; round < 20; ++round) {
    for (uint32_t node = 0; node < kNodes; ++node) {
      ASSERT_TRUE(nodes[node]->Send(
          Data(Stdout(node), 2 * round, absl::StrCat(round % 10, "\n"))));
    }
  }
  std::string whole;
  for (int round = 0; round < 20; ++round) {
    absl::StrAppend(&whole, round % 10, "\n");
  }
  for (uint32_t node = 0; node < kNodes; ++node) {
    ASSERT_TRUE(nodes[node]->AwaitDurable(20));
    EXPECT_EQ(ReadFile(In(absl::StrCat("logs/", node < 10 ? "0" : "", node,
                                       ".stdout"))),
              whole);
  }
}

}  // namespace
}  // namespace muster::collector
