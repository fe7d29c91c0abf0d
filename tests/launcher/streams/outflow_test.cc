#include "launcher/streams/outflow.h"

#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/streams/log_link.h"
#include "tests/launcher/collector/files.h"
#include "tests/launcher/streams/fake_collector.h"
#include "tests/launcher/streams/loop.h"
#include "tests/launcher/streams/sender.h"

namespace muster::streams {
namespace {

using collector::TempDir;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

namespace fs = std::filesystem;

constexpr StreamId kOut0 = {.kind = STREAM_STDOUT, .rank = 0};
constexpr StreamId kErr0 = {.kind = STREAM_STDERR, .rank = 0};
constexpr StreamId kOut1 = {.kind = STREAM_STDOUT, .rank = 1};
constexpr StreamId kAgent = {.kind = STREAM_AGENT};

class OutflowTest : public testing::Test {
 protected:
  void Open(SpoolOptions spool = {}) {
    spool.base = base_ / "spools";
    OutflowOptions options{
        .spool = spool, .collector = "10.0.0.1:29400", .host_name = "tux1"};
    options.introduction.set_run_id("run");
    options.introduction.set_node_rank(3);
    options.introduction.set_workers(2);
    options.introduction.set_incarnation("abc");
    auto opened = Outflow::Open(
        loop_.context(), options, server_.Channel(),
        {.on_pause = [this](bool paused) { paused_ = paused; },
         .on_notice =
             [this](const std::string& line) { notices_.push_back(line); },
         .on_done = [this](const OutflowResult& result) { result_ = result; }});
    ASSERT_TRUE(opened.ok()) << opened.status();
    outflow_ = *std::move(opened);
  }

  void Append(StreamId stream, const std::string& bytes) {
    written_[stream] += bytes;
    outflow_->Append(stream, bytes);
  }

  // Ends everything and waits for the result.
  OutflowResult Finish() {
    outflow_->Finish();
    return Result();
  }
  OutflowResult Result() {
    EXPECT_TRUE(loop_.RunUntil([&] { return result_.has_value(); }));
    return result_.value_or(OutflowResult());
  }

  // All that was written is stored, without gaps.
  void ExpectAllStored() {
    for (const auto& [stream, bytes] : written_) {
      const Stored stored = collector().Get(stream);
      EXPECT_EQ(Compare(bytes, stored), "");
      EXPECT_THAT(stored.gaps, IsEmpty());
    }
  }

  FakeCollector& collector() { return server_.collector(); }
  std::vector<std::string> Spools() {
    std::vector<std::string> spools;
    for (const auto& entry : fs::directory_iterator(base_ / "spools")) {
      spools.push_back(entry.path());
    }
    return spools;
  }

  TempDir base_;
  CollectorServer server_;
  Loop loop_;
  std::map<StreamId, std::string> written_;
  bool paused_ = false;
  std::vector<std::string> notices_;
  std::optional<OutflowResult> result_;
  std::unique_ptr<Outflow> outflow_;
};

TEST_F(OutflowTest, CarriesEveryByteAndRemovesTheSpool) {
  Open();
  Append(kOut0, Noise(1'000'000));
  Append(kErr0, "oh\n");
  Append(kOut1, Noise(3'000'000, 1));
  Append(kOut0, Noise(70'000, 2));
  outflow_->AppendAgentLog("muster: hello\n");
  outflow_->End(kOut0, STREAM_END_CLOSED);
  outflow_->End(kErr0, STREAM_END_CLOSED);
  const OutflowResult result = Finish();
  ASSERT_TRUE(result.done) << result.problem;
  EXPECT_EQ(result.problem, "");
  EXPECT_EQ(result.done->stored_bytes(), 4'070'003u);
  EXPECT_EQ(result.done->gap_bytes(), 0u);
  written_[kAgent] = "muster: hello\n";
  ExpectAllStored();
  EXPECT_EQ(collector().Get(kOut0).how, STREAM_END_CLOSED);
  EXPECT_EQ(collector().Get(kOut1).how, STREAM_END_ABANDONED);
  EXPECT_EQ(collector().Get(kAgent).how, STREAM_END_CLOSED);
  EXPECT_EQ(collector().Introductions()[0].incarnation(), "abc");
  EXPECT_THAT(Spools(), IsEmpty());
  EXPECT_EQ(outflow_->progress().waiting_bytes, 0u);
  EXPECT_EQ(outflow_->progress().acknowledged_bytes, 4'070'017u);
}

TEST_F(OutflowTest, SendsALineAtOnceAndLetsGoOfItWhenItIsAcknowledged) {
  Open();
  for (int i = 0; i < 50; ++i) {
    Append(kOut0, "step " + std::to_string(i) + "\n");
    // Nothing else comes that could push it out.
    ASSERT_TRUE(collector().WaitUntil([&](FakeCollector& c) {
      return c.Get(kOut0).bytes == written_[kOut0];
    }));
  }
  EXPECT_TRUE(collector().WaitUntil(
      [&](FakeCollector&) { return outflow_->progress().waiting_bytes == 0; }));
  EXPECT_TRUE(outflow_->progress().is_connected);
}

TEST_F(OutflowTest, EndsStreamsThatSaidNothing) {
  Open();
  outflow_->End(kErr0, STREAM_END_CLOSED);
  ASSERT_TRUE(Finish().done);
  EXPECT_EQ(collector().Get(kErr0).how, STREAM_END_CLOSED);
  EXPECT_EQ(collector().Get(kErr0).offset, 0u);
}

TEST_F(OutflowTest, CanBeFinishedAtOnce) {
  for (int i = 0; i < 20; ++i) {
    Open();
    Append(kOut0, "x");
    ASSERT_TRUE(Finish().done) << result_->problem;
    result_.reset();
    written_.clear();
    collector().Reset();
  }
}

TEST_F(OutflowTest, LosesNothingToACollectorThatComesLate) {
  server_.Stop();
  Open();
  Append(kOut0, Noise(5'000'000));
  ASSERT_TRUE(loop_.RunUntil([&] { return !notices_.empty(); }));
  EXPECT_THAT(notices_[0], HasSubstr("the collector 10.0.0.1:29400 does not "
                                     "take output now ("));
  EXPECT_THAT(notices_[0], HasSubstr("it waits in " + outflow_->spool_path()));
  EXPECT_FALSE(paused_);
  outflow_->Finish();
  EXPECT_EQ(outflow_->progress().waiting_bytes, 5'000'000u);
  server_.Start();
  ASSERT_TRUE(Result().done);
  ExpectAllStored();
  EXPECT_THAT(notices_.back(), HasSubstr("takes output again"));
}

TEST_F(OutflowTest, LosesNothingToACollectorThatCrashesAgainAndAgain) {
  collector().SetWindow(500'000);
  Open();
  for (int i = 0; i < 15; ++i) {
    Append(kOut0, Noise(300'000, i));
    Append(kErr0, Noise(1'000, i));
    ASSERT_TRUE(collector().WaitUntil(
        [&](FakeCollector& c) { return c.Introductions().size() > 0; }));
    if (i % 3 == 0) collector().HoldAcks(i % 2 == 0);
    if (i % 3 == 1) collector().Crash();
    if (i % 5 == 4) {
      collector().BreakAfter(
          2, grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "disk full"));
    }
  }
  collector().HoldAcks(false);
  ASSERT_TRUE(Finish().done) << result_->problem;
  ExpectAllStored();
  EXPECT_GT(collector().Introductions().size(), 2u);
}

TEST_F(OutflowTest, SaysOnceThatACollectorIsFullAndOnceThatItTakesOutputAgain) {
  collector().SetFull(true);
  Open();
  Append(kOut0, Noise(1'000));
  ASSERT_TRUE(collector().WaitUntil(
      [](FakeCollector& c) { return c.Introductions().size() == 4; }));
  collector().SetFull(false);
  ASSERT_TRUE(Finish().done) << result_->problem;
  ExpectAllStored();
  EXPECT_THAT(notices_,
              ElementsAre(HasSubstr("does not take output now (disk full)"),
                          HasSubstr("takes output again")));
}

TEST_F(OutflowTest, IsNeverMoreThanTheWindowAhead) {
  collector().SetWindow(300'000);
  collector().HoldAcks(true);
  Open();
  Append(kOut0, Noise(2'000'000));
  ASSERT_TRUE(collector().WaitUntil(
      [](FakeCollector& c) { return c.bytes() > 250'000; }));
  collector().HoldAcks(false);
  ASSERT_TRUE(Finish().done);
  EXPECT_LE(collector().most_unacknowledged(), 300'000u);
  ExpectAllStored();
}

TEST_F(OutflowTest, DoesNotBlockAWorkerWhoseCollectorIsAwayAndSaysWhatIsGone) {
  server_.Stop();
  Open({.bound = 4 << 20});
  for (int i = 0; i < 300; ++i) {
    Append(kOut0, Noise(100'000, i));
    // As the loop would do between two reads of a pipe.
    loop_.context().poll();
    ASSERT_TRUE(loop_.RunUntil([&] { return !paused_; }));
  }
  outflow_->End(kOut0, STREAM_END_CLOSED);
  server_.Start();
  const OutflowResult result = Finish();
  ASSERT_TRUE(result.done) << result.problem;
  const Stored stored = collector().Get(kOut0);
  EXPECT_EQ(Compare(written_[kOut0], stored), "");
  EXPECT_EQ(result.done->gap_bytes(), stored.GapBytes());
  EXPECT_GT(stored.GapBytes(), 20'000'000u);
  EXPECT_THAT(notices_, testing::Contains(HasSubstr("is full: the oldest")));
}

TEST_F(OutflowTest, PausesWorkersOfAFullSpoolThatMustNotDrop) {
  collector().HoldAcks(true);
  collector().SetWindow(100'000);
  Open({.bound = 1 << 20, .full = SpoolFull::kBlock});
  int appended = 0;
  while (!paused_) {
    Append(kOut0, Noise(100'000, appended++));
    ASSERT_LT(appended, 150);
    loop_.context().poll();
  }
  EXPECT_GT(appended, 80);
  collector().HoldAcks(false);
  ASSERT_TRUE(loop_.RunUntil([&] { return !paused_; }));
  ASSERT_TRUE(Finish().done);
  ExpectAllStored();
}

TEST_F(OutflowTest, KeepsTheSpoolOfACollectorThatRefusesIt) {
  collector().Refuse(
      grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "not your key"));
  Open({.bound = 1 << 20, .full = SpoolFull::kBlock});
  Append(kOut0, "a line\n");
  ASSERT_TRUE(loop_.RunUntil([&] { return !notices_.empty(); }));
  EXPECT_THAT(notices_[0], HasSubstr("refuses the output of this node: not "
                                     "your key; it stays in "));
  // Nobody will ever make room: workers are not blocked.
  for (int i = 0; i < 300; ++i) {
    Append(kOut1, Noise(100'000, i));
    loop_.context().poll();
    ASSERT_TRUE(loop_.RunUntil([&] { return !paused_; }));
  }
  const OutflowResult result = Finish();
  EXPECT_FALSE(result.done);
  EXPECT_EQ(result.bytes_left, 30'000'007u);
  EXPECT_EQ(result.spool, outflow_->spool_path());
  EXPECT_THAT(result.problem,
              HasSubstr("30000007 bytes of this node's logs did not reach the "
                        "collector 10.0.0.1:29400: not your key"));
  EXPECT_THAT(result.problem,
              HasSubstr("`muster get --spool " + result.spool +
                        " --collector 10.0.0.1:29400` sends it"));
  outflow_.reset();
  EXPECT_THAT(Spools(), testing::ElementsAre(result.spool));
}

TEST_F(OutflowTest, SaysWhatIsLeftWhenTimeIsUp) {
  collector().HoldAcks(true);
  Open();
  Append(kOut0, Noise(1'000'000));
  outflow_->End(kOut0, STREAM_END_CLOSED);
  outflow_->Finish();
  ASSERT_TRUE(collector().WaitUntil(
      [](FakeCollector& c) { return c.bytes() == 1'000'000; }));
  EXPECT_FALSE(result_);
  outflow_->Abandon("nobody waits");
  const OutflowResult result = Result();
  EXPECT_FALSE(result.done);
  EXPECT_EQ(result.bytes_left, 1'000'000u);
  EXPECT_THAT(result.problem,
              HasSubstr(": nobody waits; what is missing is in "));
  outflow_->Abandon("again");
  loop_.context().poll();
}

TEST_F(OutflowTest, SaysWhyNothingWasTakenWhenTimeIsUp) {
  collector().Refuse(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, ""));
  Open();
  Append(kOut0, "a line\n");
  ASSERT_TRUE(loop_.RunUntil([&] { return !notices_.empty(); }));
  EXPECT_THAT(notices_[0], HasSubstr("(it gave no reason but gRPC's code 8)"));
  outflow_->Abandon("nobody waits");
  EXPECT_THAT(Result().problem,
              HasSubstr(": nobody waits (it gave no reason but gRPC's code 8)"
                        "; what is missing"));
}

TEST_F(OutflowTest, ARefusalWithoutAReasonIsOneAllTheSame) {
  collector().Refuse(grpc::Status(grpc::StatusCode::ABORTED, ""));
  Open();
  Append(kOut0, "a line\n");
  ASSERT_TRUE(loop_.RunUntil([&] { return !notices_.empty(); }));
  EXPECT_THAT(Finish().problem,
              HasSubstr(": it gave no reason but gRPC's code 10; what"));
}

TEST_F(OutflowTest, LeavesEverythingInTheSpoolWhenItIsDestroyed) {
  server_.Stop();
  Open();
  Append(kOut0, Noise(3'000'000));
  const std::string path = outflow_->spool_path();
  outflow_.reset();
  uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(path)) {
    bytes += entry.file_size();
  }
  EXPECT_GT(bytes, 3'000'000u);
  loop_.context().poll();
  EXPECT_FALSE(result_);
}

TEST_F(OutflowTest, SaysThatASpoolCannotBeMade) {
  collector::WriteFile(base_ / "spools", "a file");
  const auto opened =
      Outflow::Open(loop_.context(), {.spool = {.base = base_ / "spools"}},
                    server_.Channel(), {});
  EXPECT_THAT(std::string(opened.status().message()),
              HasSubstr("give --spool-dir another directory"));
}

TEST_F(OutflowTest, GivesUpOnACollectorThatBreaksTheProtocol) {
  collector().AcknowledgeTooMuch();
  Open();
  Append(kOut0, "x");
  ASSERT_TRUE(loop_.RunUntil([&] { return !notices_.empty(); }));
  const OutflowResult result = Finish();
  EXPECT_FALSE(result.done);
  EXPECT_THAT(result.problem,
              HasSubstr("the collector broke the protocol: the collector "
                        "acknowledged 2 messages of 1 after 0"));
}

}  // namespace
}  // namespace muster::streams
