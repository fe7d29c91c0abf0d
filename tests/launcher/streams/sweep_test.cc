#include "launcher/streams/sweep.h"

#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/collector/server.h"
#include "tests/launcher/streams/loop.h"

namespace muster::streams {
namespace {

using collector::ReadFile;
using collector::TempDir;
using collector::TestServer;
using collector::Tree;
using collector::WriteFile;
using testing::HasSubstr;

namespace fs = std::filesystem;

class SweepTest : public testing::Test {
 protected:
  SweepTest() { Open(server_.Channel()); }

  void Open(const std::shared_ptr<grpc::Channel>& channel) {
    Introduction node;
    node.set_run_id("run");
    node.set_workers(1);
    node.set_world_size(1);
    delivery_ = std::make_unique<Delivery>(
        loop_.context(), channel, node,
        Delivery::Callbacks{[this] { Resume(); },
                            [this](const Receipt& got) { receipt_ = got; },
                            [this](const grpc::Status& got) {
                              failure_ = got;
                              Resume();
                            }});
  }

  void Resume() {
    if (sweep_ != nullptr) sweep_->Resume();
  }

  void Start(const std::string& directory) {
    sweep_ = std::make_unique<Sweep>(
        loop_.context(), *delivery_, Sweep::Tree{directory, "outputs/"},
        [this](const SweepResult& result) { result_ = result; });
  }

  // Sweeps and waits for the receipt.
  SweepResult Deliver(const std::string& directory) {
    Start(directory);
    EXPECT_TRUE(loop_.RunUntil([&] { return result_.has_value(); }));
    delivery_->Finish();
    EXPECT_TRUE(loop_.RunUntil([&] { return receipt_ || failure_; }));
    EXPECT_TRUE(receipt_) << failure_->error_message();
    return result_.value_or(SweepResult());
  }

  std::map<std::string, std::string> Arrived() {
    return Tree(server_.In("nodes/node0/outputs"));
  }

  std::map<std::string, std::string> Reasons(const SweepResult& result) {
    std::map<std::string, std::string> reasons;
    for (const SkippedFile& file : result.skipped) {
      reasons[file.path] = file.reason;
    }
    return reasons;
  }

  TempDir base_;
  TestServer server_;
  Loop loop_;
  std::optional<Receipt> receipt_;
  std::optional<grpc::Status> failure_;
  std::optional<SweepResult> result_;
  std::unique_ptr<Delivery> delivery_;
  std::unique_ptr<Sweep> sweep_;
};

TEST_F(SweepTest, SendsATreeByteForByte) {
  std::string big;
  for (int i = 0; i < 300'000; ++i) big += static_cast<char>(i * 31);
  WriteFile(base_ / "big", big);
  WriteFile(base_ / "exact", std::string(64 * 1024, 'e'));
  WriteFile(base_ / "empty", "");
  WriteFile(base_ / "a/b/c/nested", "deep");
  WriteFile(base_ / "a/\xff\xfe name\n", "no text");
  WriteFile(base_ / "tool", "#!");
  fs::create_directory(base_ / "nothing in it");
  ASSERT_EQ(chmod((base_ / "tool").c_str(), 0755), 0);

  const SweepResult result = Deliver(base_.path());
  EXPECT_EQ(result.files, 6u);
  EXPECT_EQ(result.bytes, big.size() + 65536 + 4 + 7 + 2);
  EXPECT_EQ(result.skipped_count, 0u);
  EXPECT_TRUE(result.delivered);
  EXPECT_EQ(receipt_->output_bytes(), result.bytes);
  auto expected = Tree(base_.path());
  expected.erase("nothing in it");
  EXPECT_TRUE(Arrived() == expected);
  struct stat found;
  ASSERT_EQ(stat(server_.In("nodes/node0/outputs/tool").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777u, 0755u);
}

TEST_F(SweepTest, SkipsWhatIsNoRegularFileAndSaysWhy) {
  WriteFile(base_ / "good", "x");
  fs::create_symlink("nowhere", base_ / "dangling");
  fs::create_symlink("/etc/passwd", base_ / "passwd");
  fs::create_symlink("/etc", base_ / "etc");
  fs::create_symlink(".", base_ / "self");
  ASSERT_EQ(mkfifo((base_ / "fifo").c_str(), 0644), 0);
  const int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, (base_ / "socket").c_str(),
          sizeof(address.sun_path) - 1);
  ASSERT_EQ(
      bind(socket_fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
      0);
  const bool has_device =
      mknod((base_ / "device").c_str(), S_IFCHR | 0666, makedev(1, 5)) == 0;

  const SweepResult result = Deliver(base_.path());
  close(socket_fd);
  EXPECT_EQ(result.files, 1u);
  std::map<std::string, std::string> expected = {
      {"outputs/dangling", "a symbolic link"},
      {"outputs/passwd", "a symbolic link"},
      {"outputs/etc", "a symbolic link"},
      {"outputs/self", "a symbolic link"},
      {"outputs/fifo", "a FIFO"},
      {"outputs/socket", "a socket"}};
  if (has_device) expected["outputs/device"] = "a device";
  EXPECT_EQ(Reasons(result), expected);
  EXPECT_EQ(result.skipped_count, expected.size());
  EXPECT_EQ(Arrived(), (std::map<std::string, std::string>{{"good", "x"}}));
}

TEST_F(SweepTest, SkipsWhatItMayNotRead) {
  WriteFile(base_ / "good", "x");
  WriteFile(base_ / "secret", "x");
  WriteFile(base_ / "closed/file", "x");
  ASSERT_EQ(chmod(base_.path().c_str(), 0755), 0);
  ASSERT_EQ(chmod((base_ / "secret").c_str(), 0), 0);
  ASSERT_EQ(chmod((base_ / "closed").c_str(), 0), 0);
  // Root reads everything; this thread, which does the reading, steps down.
  if (geteuid() == 0) setfsuid(65534);
  const SweepResult result = Deliver(base_.path());
  if (geteuid() == 0) setfsuid(0);
  ASSERT_EQ(chmod((base_ / "closed").c_str(), 0755), 0);
  EXPECT_EQ(result.files, 1u);
  EXPECT_EQ(Reasons(result), (std::map<std::string, std::string>{
                                 {"outputs/secret", "Permission denied"},
                                 {"outputs/closed", "Permission denied"}}));
}

TEST_F(SweepTest, SkipsWhatTheCollectorWouldRefuse) {
  std::string deep = base_.path();
  for (int i = 0; i < 62; ++i) deep += "/d";
  WriteFile(deep + "/last", "64 components");
  WriteFile(deep + "/d/over", "65 components");
  const SweepResult result = Deliver(base_.path());
  EXPECT_EQ(result.files, 1u);
  ASSERT_EQ(result.skipped.size(), 1u);
  EXPECT_THAT(result.skipped[0].path, HasSubstr("d/over"));
}

TEST_F(SweepTest, TakesAMissingDirectoryForAnEmptyOne) {
  const SweepResult result = Deliver(base_ / "missing");
  EXPECT_EQ(result.files, 0u);
  EXPECT_EQ(result.skipped_count, 0u);
  EXPECT_TRUE(result.delivered);
}

TEST_F(SweepTest, SaysThatTheDirectoryIsNone) {
  WriteFile(base_ / "file", "x");
  const SweepResult result = Deliver(base_ / "file");
  EXPECT_EQ(result.files, 0u);
  EXPECT_EQ(
      Reasons(result),
      (std::map<std::string, std::string>{{"outputs/", "Not a directory"}}));
}

TEST_F(SweepTest, WaitsWhileTheDeliveryIsFull) {
  // The console is not read, so this line stops the collector.
  delivery_->AppendLog(0, false, std::string(200'000, 'x') + "\n");
  const std::string bytes(1 << 20, 'y');
  for (int i = 0; i < 24; ++i) WriteFile(base_ / std::to_string(i), bytes);
  Start(base_.path());
  ASSERT_TRUE(loop_.RunUntil([&] {
    EXPECT_LE(delivery_->QueuedBytes(), Delivery::kBound + 70'000);
    return delivery_->Full();
  }));
  EXPECT_FALSE(result_);
  server_.console().Read();
  ASSERT_TRUE(loop_.RunUntil([&] {
    EXPECT_LE(delivery_->QueuedBytes(), Delivery::kBound + 70'000);
    return result_.has_value();
  }));
  delivery_->Finish();
  ASSERT_TRUE(loop_.RunUntil([&] { return receipt_ || failure_; }));
  ASSERT_TRUE(receipt_) << failure_->error_message();
  EXPECT_EQ(receipt_->output_bytes(), 24u << 20);
}

TEST_F(SweepTest, SendsAFileThatShrinksAsRead) {
  delivery_->AppendLog(0, false, std::string(200'000, 'x') + "\n");
  WriteFile(base_ / "file", std::string(16 << 20, 'y'));
  Start(base_.path());
  ASSERT_TRUE(loop_.RunUntil([&] { return delivery_->Full(); }));
  ASSERT_EQ(truncate((base_ / "file").c_str(), 1000), 0);
  server_.console().Read();
  ASSERT_TRUE(loop_.RunUntil([&] { return result_.has_value(); }));
  EXPECT_EQ(result_->files, 1u);
  EXPECT_GT(result_->bytes, 1000u);
  EXPECT_LT(result_->bytes, 16u << 20);
  delivery_->Finish();
  ASSERT_TRUE(loop_.RunUntil([&] { return receipt_ || failure_; }));
  EXPECT_TRUE(Arrived()["file"] == std::string(result_->bytes, 'y'));
}

TEST_F(SweepTest, EndsWhenTheDeliveryFails) {
  Introduction other;
  other.set_run_id("other");
  delivery_ = std::make_unique<Delivery>(
      loop_.context(), server_.Channel(), other,
      Delivery::Callbacks{[this] { Resume(); }, [](const Receipt&) {},
                          [this](const grpc::Status&) { Resume(); }});
  WriteFile(base_ / "file", std::string(32 << 20, 'y'));
  Start(base_.path());
  ASSERT_TRUE(loop_.RunUntil([&] { return result_.has_value(); }));
  EXPECT_FALSE(result_->delivered);
}

TEST_F(SweepTest, CallsNobodyAfterItIsDestroyed) {
  WriteFile(base_ / "file", "x");
  Start(base_.path());
  sweep_.reset();
  loop_.context().poll();
  EXPECT_FALSE(result_);
}

}  // namespace
}  // namespace muster::streams
