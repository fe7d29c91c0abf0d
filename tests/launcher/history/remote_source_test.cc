#include "launcher/history/remote_source.h"

#include <poll.h>

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/history/run.h"
#include "tests/launcher/history/server.h"
#include "tests/support/eventually.h"

namespace muster::history {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Remote : public ::testing::Test {
 protected:
  Remote()
      : server_({.run_dir = run_.run_dir()}),
        source_(MakeRemoteRuns(
            server_.Channel(),
            {.where = "there", .on_notice = [this](const std::string& line) {
               notices_.push_back(line);
             }})) {}

  static LogsRequest Logs(bool follow) {
    LogsRequest request;
    request.set_run_id("run");
    request.add_kinds(STREAM_STDOUT);
    request.set_follow(follow);
    return request;
  }

  // Reads until `text` was said by the feed, or it is over; what was said.
  static std::string Until(LogFeed& feed, const std::string& text) {
    std::string said;
    const absl::Time end = absl::Now() + test::kSoon;
    while (absl::Now() < end) {
      LogPiece piece;
      const absl::StatusOr<Step> step = feed.Next(&piece);
      if (!step.ok()) return absl::StrCat(said, step.status().ToString());
      if (*step == Step::kOver) return said + "(over)";
      said += piece.data();
      if (!text.empty() && absl::StrContains(said, text)) return said;
      if (*step == Step::kReply) continue;
      pollfd news = {feed.fd(), POLLIN, 0};
      poll(&news, 1, 20);
    }
    return said + "(nothing more came)";
  }

  const TestRun run_;
  TestServer server_;
  std::vector<std::string> notices_;
  const std::unique_ptr<RunSource> source_;
};

TEST_F(Remote, SaysTheSameAsADirectory) {
  run_.Write("logs/0.stdout", "hello");
  run_.Write("nodes/node0/outputs/m", "12345");
  const auto local = OpenLocalRuns(run_.run_dir());
  ASSERT_TRUE(local.ok());
  std::vector<std::string> said;
  for (RunSource* source : {local->get(), source_.get()}) {
    std::string text;
    const auto runs = source->ListRuns({});
    ASSERT_TRUE(runs.ok()) << runs.status();
    for (const RunSummary& run : *runs)
      absl::StrAppend(&text, run.DebugString());
    ListFilesRequest list;
    list.set_run_id("run");
    const auto files = source->ListFiles(list);
    ASSERT_TRUE(files.ok()) << files.status();
    for (const FileEntry& file : *files) {
      absl::StrAppend(&text, file.DebugString());
      ReadRequest read;
      read.set_run_id("run");
      read.set_path(file.path());
      ASSERT_TRUE(source
                      ->Read(read,
                             [&](const ReadChunk& chunk) {
                               absl::StrAppend(&text, chunk.DebugString());
                               return absl::OkStatus();
                             })
                      .ok());
    }
    const auto feed = source->Logs(Logs(false));
    ASSERT_TRUE(feed.ok());
    absl::StrAppend(&text, Until(**feed, ""));
    said.push_back(text);
  }
  EXPECT_EQ(said[0], said[1]);
  EXPECT_THAT(said[0], HasSubstr("hello(over)"));
}

TEST_F(Remote, AFollowerSurvivesARestartAndHearsEachByteOnce) {
  run_.Write("logs/0.stdout", "one ");
  run_.Write("logs/1.stdout", "");
  const auto feed = source_->Logs(Logs(true));
  ASSERT_TRUE(feed.ok());
  EXPECT_EQ(Until(**feed, "one "), "one ");
  for (int i = 0; i < 2; ++i) {
    server_.Stop();
    run_.Append("logs/0.stdout", "meanwhile ");
    EXPECT_TRUE(test::Eventually([&] {
      LogPiece piece;
      const absl::StatusOr<Step> step = (*feed)->Next(&piece);
      EXPECT_TRUE(step.ok() && *step == Step::kNothing);
      return notices_.size() == 2u * i + 1;
    }));
    server_.Start();
    EXPECT_EQ(Until(**feed, "while "), "meanwhile ");
    run_.Append("logs/1.stdout", "and on ");
    EXPECT_EQ(Until(**feed, "on "), "and on ");
  }
  run_.Write("logs/2.stdout", "new");
  run_.Publish("report.json", "{}");
  EXPECT_EQ(Until(**feed, ""), "new(over)");
  ASSERT_EQ(notices_.size(), 4u);
  EXPECT_THAT(notices_[0], HasSubstr("there is away"));
  EXPECT_EQ(notices_[1], "the collector at there is back");
}

TEST_F(Remote, ATailIsNotTakenAgainAfterARestart) {
  run_.Write("logs/0.stdout", "old\nlast\n");
  LogsRequest request = Logs(true);
  request.set_tail_lines(1);
  const auto feed = source_->Logs(request);
  ASSERT_TRUE(feed.ok());
  EXPECT_EQ(Until(**feed, "last\n"), "last\n");
  server_.Stop();
  run_.Append("logs/0.stdout", "a\nb\n");
  server_.Start();
  EXPECT_EQ(Until(**feed, "b\n"), "a\nb\n");
}

TEST_F(Remote, WhatIsNotFollowedIsGivenUpInTheEnd) {
  server_.Stop();
  const auto feed = source_->Logs(Logs(false));
  ASSERT_TRUE(feed.ok());
  EXPECT_THAT(Until(**feed, ""), HasSubstr("UNAVAILABLE: there: "));
  EXPECT_EQ(source_->ListRuns({}).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(Remote, ARunThatIsNotThereIsSaidAtOnce) {
  LogsRequest request = Logs(true);
  request.set_run_id("other");
  const auto feed = source_->Logs(request);
  ASSERT_TRUE(feed.ok());
  EXPECT_THAT(Until(**feed, ""), HasSubstr("NOT_FOUND"));
  EXPECT_THAT(notices_, IsEmpty());
}

TEST_F(Remote, AFileIsReadOnAfterACut) {
  const std::string content(48 << 20, 'x');
  run_.Write("nodes/node0/outputs/m", content);
  ReadRequest request;
  request.set_run_id("run");
  request.set_path("nodes/node0/outputs/m");
  uint64_t next = 0;
  bool cut = false;
  const absl::Status read = source_->Read(request, [&](const ReadChunk& chunk) {
    EXPECT_EQ(chunk.offset(), next) << "skipped, or sent again";
    next = chunk.offset() + chunk.data().size();
    if (next > 4 << 20 && !std::exchange(cut, true)) {
      server_.Stop();
      server_.Start();
    }
    return absl::OkStatus();
  });
  EXPECT_TRUE(read.ok()) << read;
  EXPECT_EQ(next, content.size());
}

TEST_F(Remote, WhoTakesTheChunksMayStop) {
  ReadRequest request;
  request.set_run_id("run");
  request.set_path("run.json");
  EXPECT_EQ(source_->Read(request,
                          [](const ReadChunk&) {
                            return absl::ResourceExhaustedError("no space");
                          }),
            absl::ResourceExhaustedError("no space"));
}

}  // namespace
}  // namespace muster::history
