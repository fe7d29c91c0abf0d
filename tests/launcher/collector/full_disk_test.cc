// A collector whose disk is full: it says so, and goes on when there is space.
#include <sys/mount.h>

#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/collector/files.h"
#include "tests/launcher/collector/logs_client.h"
#include "tests/launcher/collector/test_collector.h"

namespace muster::collector {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

class FullDisk : public testing::Test {
 protected:
  ~FullDisk() override {
    collector_.reset();
    if (!mounted_) return;
    EXPECT_EQ(umount2(disk().c_str(), MNT_DETACH), 0);
  }

  // False where a test may not mount.
  bool Mount(const char* options) {
    std::filesystem::create_directory(disk());
    mounted_ = mount("tmpfs", disk().c_str(), "tmpfs", 0, options) == 0;
    if (!mounted_) return false;
    collector_ = std::make_unique<TestCollector>(disk());
    channel_ = collector_->Channel();
    return true;
  }

  std::string disk() const { return base_ / "disk"; }
  std::string In(const std::string& name) const {
    return disk() + "/run/" + name;
  }
  static std::string Piece(uint64_t i) {
    return std::string(kMaxLogData, static_cast<char>('a' + i % 26));
  }

  // Sends pieces from where the stream is up to `end`. Gives what the stream
  // ended with, or Ok.
  grpc::Status SendPieces(uint64_t end) {
    LogsClient node(channel_, {});
    if (!node.AwaitWelcome()) return node.End();
    const uint64_t from = node.PositionOf(Stdout(0));
    EXPECT_GE(from, durable_);
    EXPECT_EQ(from % kMaxLogData, 0u) << "part of a message was kept";
    uint64_t messages = 0;
    for (uint64_t i = from / kMaxLogData; i < end; ++i) {
      if (!node.Send(Data(Stdout(0), i * kMaxLogData, Piece(i)))) break;
      if (!node.AwaitDurable(++messages)) break;
      durable_ = (i + 1) * kMaxLogData;
    }
    if (durable_ < end * kMaxLogData) return node.End();
    return grpc::Status::OK;
  }

  TempDir base_;
  bool mounted_ = false;
  std::unique_ptr<TestCollector> collector_;
  std::shared_ptr<grpc::Channel> channel_;
  uint64_t durable_ = 0;
};

TEST_F(FullDisk, IsSaidAndLaterAllArrivesOnce) {
  if (!Mount("size=16m")) GTEST_SKIP() << "needs the right to mount a tmpfs";
  ASSERT_TRUE(Record(channel_, "run").ok());
  ASSERT_TRUE(Record(channel_, "run", RECORD_RUN, "{}").ok());
  WriteFile(disk() + "/ballast", std::string(12 << 20, 'b'));
  for (int attempt = 0; attempt < 3; ++attempt) {
    const grpc::Status status = SendPieces(40);
    EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_THAT(status.error_message(), HasSubstr(disk() + "/run"));
  }
  EXPECT_GT(durable_, 0u);
  const grpc::Status document =
      Record(channel_, "run", RECORD_RUN, std::string((4 << 20) - 1000, ' '));
  EXPECT_EQ(document.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReadFile(In("run.json")), "{}") << "the old one is intact";

  std::filesystem::remove(disk() + "/ballast");
  const grpc::Status status = SendPieces(40);
  EXPECT_TRUE(status.ok()) << status.error_message();
  std::string whole;
  for (uint64_t i = 0; i < 40; ++i) whole += Piece(i);
  EXPECT_EQ(ReadFile(In("logs/0.stdout")), whole);
  EXPECT_TRUE(collector_->fatal().Wait(0).empty());
}

TEST_F(FullDisk, WithoutASingleByteFreeNothingIsAcknowledgedOrLost) {
  if (!Mount("size=16m")) GTEST_SKIP() << "needs the right to mount a tmpfs";
  ASSERT_TRUE(Record(channel_, "run").ok());
  ASSERT_TRUE(SendPieces(1).ok());
  // Small messages, so that logs have place in their last page when the
  // journal has none.
  {
    std::ofstream ballast(disk() + "/ballast");
    while (ballast << std::string(4096, 'b') << std::flush) {
    }
  }
  uint64_t at = durable_;
  std::string tail;
  for (int attempt = 0; attempt < 200; ++attempt) {
    LogsClient node(channel_, {});
    if (!node.AwaitWelcome()) {
      EXPECT_EQ(node.End().error_code(), StatusCode::RESOURCE_EXHAUSTED);
      break;
    }
    ASSERT_EQ(node.PositionOf(Stdout(0)), at);
    const std::string text = absl::StrCat("line ", attempt, "\n");
    if (!node.Send(Data(Stdout(0), at, text)) || !node.AwaitDurable(1)) {
      EXPECT_EQ(node.End().error_code(), StatusCode::RESOURCE_EXHAUSTED);
      break;
    }
    tail += text;
    at += text.size();
  }
  std::filesystem::remove(disk() + "/ballast");
  LogsClient node(channel_, {});
  ASSERT_TRUE(node.AwaitWelcome()) << node.End().error_message();
  ASSERT_EQ(node.PositionOf(Stdout(0)), at);
  ASSERT_TRUE(node.Send(Data(Stdout(0), at, "the end\n")));
  ASSERT_TRUE(node.AwaitDurable(1));
  EXPECT_EQ(ReadFile(In("logs/0.stdout")), Piece(0) + tail + "the end\n");
}

TEST_F(FullDisk, WithoutInodesTakesNoNewRunAndKeepsTheOld) {
  if (!Mount("size=16m,nr_inodes=48")) {
    GTEST_SKIP() << "needs the right to mount a tmpfs";
  }
  ASSERT_TRUE(Record(channel_, "run").ok());
  ASSERT_TRUE(SendPieces(1).ok());
  int runs = 0;
  grpc::Status status;
  for (; status.ok() && runs < 48; ++runs) {
    status = Record(channel_, absl::StrCat("more", runs));
  }
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED)
      << status.error_message();
  EXPECT_TRUE(SendPieces(3).ok()) << "the old one goes on";
  EXPECT_EQ(ReadFile(In("logs/0.stdout")), Piece(0) + Piece(1) + Piece(2));
  for (const auto& [name, bytes] : Tree(disk())) {
    EXPECT_EQ(name.find(".muster-new"), std::string::npos) << name;
  }
  // A node of a run that is there finds no place for its logs.
  LogsClient late(channel_, {.run_id = "more0"});
  EXPECT_EQ(late.End().error_code(), StatusCode::RESOURCE_EXHAUSTED);
  for (int run = 1; run < runs; ++run) {
    std::filesystem::remove_all(disk() + absl::StrCat("/more", run));
  }
  LogsClient again(channel_, {.run_id = "more0"});
  EXPECT_TRUE(again.AwaitWelcome()) << again.End().error_message();
}

}  // namespace
}  // namespace muster::collector
