#include "launcher/history/history_service.h"

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/history/remote_call.h"
#include "proto/history.grpc.pb.h"
#include "tests/launcher/history/run.h"
#include "tests/launcher/history/server.h"
#include "tests/support/eventually.h"

namespace muster::history {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Service : public ::testing::Test {
 protected:
  void Serve(HistoryOptions options = {}) {
    if (options.run_dir.empty()) options.run_dir = run_.run_dir();
    server_ = std::make_unique<TestServer>(options);
    stub_ = History::NewStub(server_->Channel());
  }

  // All replies of a call; `status` is how it ended.
  template <typename Reply, typename Request, typename Method>
  std::vector<Reply> All(Method method, const Request& request) {
    RemoteCall<Reply> call;
    call.Start([&](grpc::ClientContext* context,
                   grpc::ClientReadReactor<Reply>* reactor) {
      (stub_->async()->*method)(context, &request, reactor);
    });
    std::vector<Reply> replies;
    while (true) {
      Reply reply;
      const absl::StatusOr<Step> step = call.Wait(&reply);
      status_ = step.status();
      if (!step.ok() || *step == Step::kOver) return replies;
      replies.push_back(std::move(reply));
    }
  }
  std::vector<std::string> RunIds(const ListRunsRequest& request = {}) {
    std::vector<std::string> ids;
    for (const RunSummary& run : All<RunSummary>(&Async::ListRuns, request)) {
      ids.push_back(run.run_id());
    }
    return ids;
  }
  std::vector<ReadChunk> Read(const std::string& path, uint64_t offset = 0,
                              int64_t if_mtime_ns = 0) {
    ReadRequest request;
    request.set_run_id("run");
    request.set_path(path);
    request.set_offset(offset);
    request.set_if_mtime_ns(if_mtime_ns);
    return All<ReadChunk>(&Async::Read, request);
  }

  using Async = History::Stub::async_interface;

  // A follower of the whole run.
  struct Follower {
    explicit Follower(History::Stub* stub) {
      request.set_run_id("run");
      request.add_kinds(STREAM_STDOUT);
      request.set_follow(true);
      call.Start([&](grpc::ClientContext* context,
                     grpc::ClientReadReactor<LogPiece>* reactor) {
        stub->async()->Logs(context, &request, reactor);
      });
    }
    // The text of the next piece; "" for an announcement, "over" for the end,
    // or the status.
    std::string Next() {
      LogPiece piece;
      const absl::StatusOr<Step> step = call.Wait(&piece);
      if (!step.ok()) return absl::StatusCodeToString(step.status().code());
      return *step == Step::kOver ? "over" : piece.data();
    }
    LogsRequest request;
    RemoteCall<LogPiece> call;
  };

  const TestRun run_;
  std::unique_ptr<TestServer> server_;
  std::unique_ptr<History::Stub> stub_;
  absl::Status status_;
};

TEST_F(Service, ListsTheRunsThatThereAre) {
  std::filesystem::create_directories(run_.run_dir() + "/another/logs");
  Serve();
  EXPECT_THAT(RunIds(), ElementsAre("another", "run"));
  EXPECT_TRUE(status_.ok()) << status_;
  ListRunsRequest request;
  request.set_prefix("r");
  EXPECT_THAT(RunIds(request), ElementsAre("run"));
}

TEST_F(Service, BeforeTheFirstRunThereAreNone) {
  Serve({.run_dir = run_.run_dir() + "/missing"});
  EXPECT_THAT(RunIds(), IsEmpty());
  EXPECT_TRUE(status_.ok()) << status_;
  Read("run.json");
  EXPECT_EQ(status_.code(), absl::StatusCode::kNotFound);
}

TEST_F(Service, OfOneRunOnlyNoOtherIsShown) {
  std::filesystem::create_directories(run_.run_dir() + "/another/logs");
  Serve({.run_dir = run_.run_dir(), .only_run = "another"});
  EXPECT_THAT(RunIds(), ElementsAre("another"));
  Read("run.json");
  EXPECT_EQ(status_.code(), absl::StatusCode::kNotFound);
  Follower follower(stub_.get());
  EXPECT_EQ(follower.Next(), "NOT_FOUND");
}

TEST_F(Service, ListsMoreFilesThanAMessageHolds) {
  for (int i = 0; i < 2500; ++i) {
    run_.Write(absl::StrCat("nodes/node0/outputs/", 10000 + i), "x");
  }
  Serve();
  ListFilesRequest request;
  request.set_run_id("run");
  request.set_prefix("nodes/");
  std::vector<std::string> paths;
  for (const FileList& list : All<FileList>(&Async::ListFiles, request)) {
    for (const FileEntry& file : list.files()) paths.push_back(file.path());
  }
  EXPECT_TRUE(status_.ok()) << status_;
  ASSERT_EQ(paths.size(), 2500u);
  EXPECT_EQ(paths.front(), "nodes/node0/outputs/10000");
  EXPECT_EQ(paths.back(), "nodes/node0/outputs/12499");
}

TEST_F(Service, ReadsAFileFromAnOffsetAndLeavesOutHoles) {
  run_.Write("logs/0.stdout", std::string(300'000, 'x') + "end");
  Serve();
  std::vector<ReadChunk> chunks = Read("logs/0.stdout", 1);
  ASSERT_EQ(chunks.size(), 3u);
  EXPECT_EQ(chunks[0].file().size(), 300'003u);
  EXPECT_EQ(chunks[1].offset(), 1u);
  EXPECT_EQ(chunks[2].offset(), 262'145u);
  EXPECT_EQ(chunks[1].data().size() + chunks[2].data().size(), 300'002u);

  run_.Write("nodes/node0/outputs/m", "begin");
  std::filesystem::resize_file(run_.Path("nodes/node0/outputs/m"), 1 << 30);
  chunks = Read("nodes/node0/outputs/m");
  ASSERT_GE(chunks.size(), 2u);
  EXPECT_LE(chunks.size(), 3u);
  EXPECT_EQ(chunks[1].data().substr(0, 5), "begin");

  const int64_t mtime = chunks[0].file().mtime_ns();
  Read("nodes/node0/outputs/m", 1, mtime);
  EXPECT_TRUE(status_.ok()) << status_;
  Read("nodes/node0/outputs/m", 1, mtime + 1);
  EXPECT_EQ(status_.code(), absl::StatusCode::kAborted);
}

TEST_F(Service, WhatIsTheCollectorsOwnOrOutsideIsNotRead) {
  run_.Write(".muster/key", "secret");
  Serve();
  EXPECT_THAT(Read(".muster/key"), IsEmpty());
  EXPECT_EQ(status_.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Read("../run/run.json"), IsEmpty());
  EXPECT_EQ(status_.code(), absl::StatusCode::kInvalidArgument);
  ReadRequest request;
  request.set_run_id("..");
  request.set_path("x");
  EXPECT_THAT(All<ReadChunk>(&Async::Read, request), IsEmpty());
  EXPECT_EQ(status_.code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(Service, AFollowerIsTheFirstToKnowAndLeavesWithTheRun) {
  Serve();
  Follower follower(stub_.get());
  run_.Write("logs/0.stdout", "");
  EXPECT_EQ(follower.Next(), "");
  for (int i = 0; i < 20; ++i) {
    const std::string line = absl::StrCat("line ", i, "\n");
    run_.Append("logs/0.stdout", line);
    EXPECT_EQ(follower.Next(), line);
  }
  run_.Publish("report.json", "{}");
  EXPECT_EQ(follower.Next(), "over");
}

TEST_F(Service, ManyFollowersOfOneRunHearTheSame) {
  run_.Write("logs/0.stdout", "");
  Serve();
  // A connection carries sixteen streams.
  std::vector<std::unique_ptr<Follower>> followers;
  for (int i = 0; i < 12; ++i) {
    followers.push_back(std::make_unique<Follower>(stub_.get()));
  }
  for (const auto& follower : followers) EXPECT_EQ(follower->Next(), "");
  run_.Append("logs/0.stdout", "hello");
  for (const auto& follower : followers) EXPECT_EQ(follower->Next(), "hello");
  followers.erase(followers.begin(), followers.begin() + 11);
  run_.Append("logs/0.stdout", "goodbye");
  EXPECT_EQ(followers[0]->Next(), "goodbye");
}

TEST_F(Service, MoreReadersThanAllowedAreRefusedUntilOneLeaves) {
  run_.Write("logs/0.stdout", "");
  Serve({.run_dir = run_.run_dir(), .max_calls = 2});
  auto first = std::make_unique<Follower>(stub_.get());
  const Follower second(stub_.get());
  EXPECT_EQ(first->Next(), "");
  EXPECT_TRUE(test::Eventually([&] {
    RunIds();
    return absl::IsResourceExhausted(status_);
  }));
  first.reset();
  EXPECT_TRUE(test::Eventually([&] {
    RunIds();
    return status_.ok();
  })) << status_;
}

TEST_F(Service, AReaderThatDoesNotReadHoldsNobodyUp) {
  run_.Write("logs/0.stdout", std::string(64 << 20, 'x'));
  Serve();
  Follower lazy(stub_.get());
  EXPECT_EQ(lazy.Next(), "");
  // On a connection of its own.
  stub_ = History::NewStub(server_->Channel());
  EXPECT_THAT(RunIds(), ElementsAre("run"));
  const std::vector<ReadChunk> chunks = Read("logs/0.stdout");
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_EQ(chunks.size(), 257u);
}

TEST_F(Service, WhenItLeavesFollowersHearThatItIsAway) {
  run_.Write("logs/0.stdout", "");
  Serve();
  Follower follower(stub_.get());
  EXPECT_EQ(follower.Next(), "");
  server_->service().Shutdown();
  EXPECT_EQ(follower.Next(), "UNAVAILABLE");
  RunIds();
  EXPECT_EQ(status_.code(), absl::StatusCode::kUnavailable);
}

TEST_F(Service, DrainingLetsFollowersHearOfTheEnd) {
  run_.Write("logs/0.stdout", std::string(8 << 20, 'x'));
  Serve();
  server_->service().Drain(test::kSoon);
  Follower follower(stub_.get());
  EXPECT_EQ(follower.Next(), "");
  run_.Publish("report.json", "{}");
  std::thread drain([&] { server_->service().Drain(test::kSoon); });
  std::string last;
  while (last != "over" && last != "UNAVAILABLE") last = follower.Next();
  EXPECT_EQ(last, "over");
  drain.join();
}

TEST_F(Service, DrainingDoesNotWaitForEverForWhoStays) {
  run_.Write("logs/0.stdout", "");
  Serve();
  Follower follower(stub_.get());
  EXPECT_EQ(follower.Next(), "");
  server_->service().Drain(absl::Milliseconds(20));
  run_.Append("logs/0.stdout", "still here");
  EXPECT_EQ(follower.Next(), "still here");
}

TEST_F(Service, ACallThatIsCancelledAtOnceDoesNoHarm) {
  Serve();
  for (int i = 0; i < 50; ++i) const Follower follower(stub_.get());
  EXPECT_THAT(RunIds(), ElementsAre("run"));
}

}  // namespace
}  // namespace muster::history
