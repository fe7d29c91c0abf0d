#include "launcher/streams/leftovers.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/streams/outflow.h"
#include "launcher/streams/spool_directory.h"
#include "tests/launcher/collector/files.h"
#include "tests/launcher/streams/fake_collector.h"
#include "tests/launcher/streams/loop.h"
#include "tests/launcher/streams/sender.h"

namespace muster::streams {
namespace {

using collector::TempDir;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

namespace fs = std::filesystem;

constexpr StreamId kOut = {.kind = STREAM_STDOUT, .rank = 5};
constexpr StreamId kErr = {.kind = STREAM_STDERR, .rank = 5};
constexpr StreamId kAgent = {.kind = STREAM_AGENT};

class LeftoversTest : public testing::Test {
 protected:
  // The spool of an agent that died with these bytes in it.
  std::string Leave(const std::string& bytes, const std::string& run = "left") {
    SpoolManifest manifest;
    Introduction& node = *manifest.mutable_introduction();
    node.set_run_id(run);
    node.set_first_rank(5);
    node.set_workers(1);
    manifest.set_collector("10.0.0.1:29400");
    const auto spool = *Spool::Create({.base = Base()}, manifest);
    for (size_t at = 0; at < bytes.size(); at += 100'000) {
      Chunk chunk;
      chunk.AddData(kOut, at, absl::string_view(bytes).substr(at, 100'000));
      EXPECT_EQ(spool->Append(chunk.payload(), {}), Spool::Appended::kYes);
    }
    return spool->path();
  }

  // Sends what there is; false when that does not come to an end. With
  // `known_collector` it is found even where the manifest does not name it.
  bool Send(LeftoversOptions options = {}, bool known_collector = false) {
    if (options.directory.empty()) options.directory = Base();
    results_.clear();
    std::optional<absl::Status> done;
    const Leftovers leftovers(
        loop_.context(), options,
        {.channel_for = [&](const SpoolManifest& manifest)
             -> absl::StatusOr<std::shared_ptr<grpc::Channel>> {
           if (manifest.collector().empty() && !known_collector) {
             return absl::FailedPreconditionError("there is no collector");
           }
           return server_.Channel();
         },
         .on_spool =
             [this](const LeftoverResult& result) {
               results_.push_back(result);
             },
         .on_done = [&](const absl::Status& status) { done = status; }});
    if (!loop_.RunUntil([&] { return done.has_value(); })) return false;
    status_ = *done;
    return true;
  }

  std::string Base() const { return base_ / "spools"; }
  FakeCollector& collector() { return server_.collector(); }

  TempDir base_;
  CollectorServer server_;
  Loop loop_;
  std::vector<LeftoverResult> results_;
  absl::Status status_;
};

TEST_F(LeftoversTest, SendsWhatADeadAgentLeftAndEndsItsStreams) {
  const std::string bytes = Noise(20'000'000);
  const std::string path = Leave(bytes);
  ASSERT_TRUE(Send());
  ASSERT_THAT(results_, SizeIs(1));
  ASSERT_TRUE(results_[0].done) << results_[0].problem;
  EXPECT_EQ(results_[0].spool, path);
  EXPECT_EQ(results_[0].manifest.introduction().run_id(), "left");
  EXPECT_EQ(results_[0].done->stored_bytes(), bytes.size());
  EXPECT_EQ(Compare(bytes, collector().Get(kOut)), "");
  for (const StreamId stream : {kOut, kErr, kAgent}) {
    EXPECT_EQ(collector().Get(stream).how, STREAM_END_AGENT_DIED);
  }
  EXPECT_TRUE(fs::is_empty(Base()));
}

TEST_F(LeftoversTest, GoesOnWhereTheAgentWasWhenItDied) {
  const std::string bytes = Noise(20'000'000);
  Leave(bytes);
  // A first attempt gets to the middle of it.
  collector().BreakAfter(
      30, grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "stop"));
  ASSERT_TRUE(Send());
  ASSERT_THAT(results_, SizeIs(1));
  EXPECT_FALSE(results_[0].done);
  const uint64_t before = collector().bytes();
  ASSERT_TRUE(Send());
  ASSERT_TRUE(results_[0].done) << results_[0].problem;
  EXPECT_EQ(Compare(bytes, collector().Get(kOut)), "");
  EXPECT_GT(before, 1'000'000u);
  EXPECT_LE(collector().bytes(), bytes.size() + before);
}

TEST_F(LeftoversTest, SendsOneSpoolByItsName) {
  const std::string path = Leave("one");
  Leave("two");
  ASSERT_TRUE(Send({.directory = path}));
  ASSERT_THAT(results_, SizeIs(1));
  EXPECT_TRUE(results_[0].done);
  EXPECT_EQ(collector().Get(kOut).bytes, "one");
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(LeftoversTest, PassesOverTheSpoolOfAnAgentThatLives) {
  const auto spool = *Spool::Create({.base = Base()}, {});
  ASSERT_TRUE(Send());
  EXPECT_TRUE(status_.ok());
  ASSERT_THAT(results_, SizeIs(1));
  EXPECT_TRUE(results_[0].is_in_use);
  EXPECT_THAT(results_[0].problem, HasSubstr(spool->path()));
  EXPECT_TRUE(fs::exists(spool->path()));
}

TEST_F(LeftoversTest, KeepsWhatTheCollectorDoesNotWant) {
  const std::string path = Leave("bytes");
  collector().Refuse(grpc::Status(grpc::StatusCode::PERMISSION_DENIED,
                                  "there is no run 'left'"));
  ASSERT_TRUE(Send());
  ASSERT_THAT(results_, SizeIs(1));
  EXPECT_EQ(results_[0].problem,
            path +
                ": the collector 10.0.0.1:29400 did not take what run left "
                "left here: there is no run 'left'; it stays there");
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(LeftoversTest, KeepsWhatHasNoWay) {
  SpoolManifest manifest;
  const std::string path = (*Spool::Create({.base = Base()}, manifest))->path();
  ASSERT_TRUE(Send());
  ASSERT_THAT(results_, SizeIs(1));
  EXPECT_EQ(results_[0].problem, path + ": there is no collector");
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(LeftoversTest, HasPatienceAndThenGoesOnWithTheNext) {
  server_.Stop();
  Leave("one");
  Leave("two");
  ASSERT_TRUE(Send({.patience = std::chrono::milliseconds(50)}));
  ASSERT_THAT(results_, SizeIs(2));
  for (const LeftoverResult& result : results_) {
    EXPECT_THAT(result.problem, HasSubstr("did not take what run left"));
    EXPECT_TRUE(fs::exists(result.spool));
  }
}

TEST_F(LeftoversTest, InAHurryTheFirstThatDoesNotMoveIsTheLast) {
  server_.Stop();
  Leave("one");
  Leave("two");
  bool done = false;
  Leftovers leftovers(
      loop_.context(), {.directory = Base()},
      {.channel_for =
           [this](const SpoolManifest&) { return server_.Channel(); },
       .on_spool =
           [this](const LeftoverResult& result) { results_.push_back(result); },
       .on_done = [&](const absl::Status&) { done = true; }});
  leftovers.Hurry(std::chrono::milliseconds(1));
  ASSERT_TRUE(loop_.RunUntil([&] { return done; }));
  ASSERT_THAT(results_, SizeIs(1));
  EXPECT_TRUE(fs::exists(results_[0].spool));
}

TEST_F(LeftoversTest, SaysWhatItCannotReadAndGoesOn) {
  const std::string damaged = Leave("one", "a");
  collector::WriteFile(damaged + "/manifest", "\xff");
  const std::string sound = Leave("two", "b");
  collector::WriteFile(Base() + "/file", "x");
  fs::create_directory(Base() + "/not-a-spool");
  ASSERT_TRUE(Send());
  ASSERT_THAT(results_, SizeIs(2));
  EXPECT_THAT(results_[0].problem, HasSubstr("its manifest is damaged"));
  EXPECT_TRUE(results_[1].done);
  EXPECT_TRUE(fs::exists(damaged));
  EXPECT_FALSE(fs::exists(sound));
}

TEST_F(LeftoversTest, FindsNothingWhereThereIsNothing) {
  ASSERT_TRUE(Send({.directory = base_ / "missing"}));
  EXPECT_TRUE(status_.ok());
  collector::WriteFile(base_ / "file", "x");
  ASSERT_TRUE(Send({.directory = base_ / "file"}));
  EXPECT_THAT(std::string(status_.message()), HasSubstr("Not a directory"));
}

TEST_F(LeftoversTest, CallsNobodyAfterItIsDestroyed) {
  collector().HoldAcks(true);
  const std::string path = Leave("bytes");
  bool called = false;
  {
    const Leftovers leftovers(
        loop_.context(), {.directory = Base()},
        {.channel_for =
             [this](const SpoolManifest&) { return server_.Channel(); },
         .on_spool = [&](const LeftoverResult&) { called = true; },
         .on_done = [&](const absl::Status&) { called = true; }});
    ASSERT_TRUE(
        collector().WaitUntil([](FakeCollector& c) { return c.bytes() > 0; }));
  }
  loop_.context().poll();
  EXPECT_FALSE(called);
  EXPECT_TRUE(fs::exists(path));
}

// Runs dying_agent with a failpoint until that kills it; how far it had come.
uint64_t RunToItsDeath(const std::string& failpoint,
                       std::vector<std::string> arguments) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  arguments.insert(arguments.begin(), DYING_AGENT);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::string variable = "MUSTER_FAILPOINT=" + failpoint;
  char* const environment[] = {variable.data(), nullptr};
  pid_t child = 0;
  EXPECT_EQ(posix_spawn(&child, DYING_AGENT, &actions, nullptr, argv.data(),
                        environment),
            0);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  uint64_t said = 0;
  uint64_t last = 0;
  while (read(ends[0], &said, sizeof said) == sizeof said) last = said;
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
      << failpoint << ": " << status;
  return last;
}

TEST_F(LeftoversTest, RecoversWhatAnAgentWroteBeforeItWasKilled) {
  const std::string bytes = Noise(20'000'000, 42);
  for (const int times : {1, 2, 3, 100, 250}) {
    const std::string base = Base() + std::to_string(times);
    const uint64_t written = RunToItsDeath(
        "spool.before_write:" + std::to_string(times), {"spool", base});
    ASSERT_TRUE(Send({.directory = base}, true));
    ASSERT_THAT(results_, SizeIs(1));
    ASSERT_TRUE(results_[0].done) << results_[0].problem;
    const Stored stored = collector().Get(kOut);
    EXPECT_EQ(ComparePrefix(bytes, stored), "");
    EXPECT_EQ(stored.offset, written);
    EXPECT_THAT(stored.gaps, IsEmpty());
    EXPECT_EQ(stored.how, STREAM_END_AGENT_DIED);
    EXPECT_TRUE(fs::is_empty(base));
    collector().Reset();
  }
}

TEST_F(LeftoversTest, SendsOnceWhatTheAgentHadSentBeforeItWasKilled) {
  const std::string bytes = Noise(20'000'000, 42);
  for (const char* const failpoint :
       {"spool.before_write:1", "spool.before_write:3", "spool.before_write:60",
        "spool.before_release:1", "spool.before_release:2"}) {
    const std::string base = Base() + failpoint;
    const uint64_t acknowledged = RunToItsDeath(
        failpoint, {"outflow", base, std::to_string(server_.port())});
    ASSERT_TRUE(Send({.directory = base}, true));
    ASSERT_THAT(results_, SizeIs(1));
    ASSERT_TRUE(results_[0].done) << results_[0].problem;
    const Stored stored = collector().Get(kOut);
    EXPECT_EQ(ComparePrefix(bytes, stored), "") << failpoint;
    EXPECT_GE(stored.offset, acknowledged);
    EXPECT_THAT(stored.gaps, IsEmpty());
    EXPECT_EQ(stored.how, STREAM_END_AGENT_DIED);
    EXPECT_TRUE(fs::is_empty(base));
    collector().Reset();
  }
}

}  // namespace
}  // namespace muster::streams
