#include "launcher/files/node_files.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/collector/files.h"
#include "tests/launcher/collector/files_server.h"
#include "tests/support/eventually.h"
#include "tests/support/fault_proxy/fault_proxy.h"

namespace muster::files {
namespace {

using collector::FilesServer;
using collector::ReadFile;
using collector::TempDir;
using collector::WriteFile;
using test::Eventually;
using testing::AnyOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

namespace fs = std::filesystem;

std::string Bytes(size_t size, unsigned seed = 1) {
  std::mt19937_64 random(seed);
  std::string bytes(size, '\0');
  for (size_t i = 0; i + 8 <= size; i += 8) {
    const uint64_t word = random();
    memcpy(&bytes[i], &word, 8);
  }
  return bytes;
}

void Append(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::app) << bytes;
}

// A node's files, a collector, and a network between them.
class NodeFilesTest : public testing::Test {
 protected:
  NodeFilesTest() {
    fs::create_directories(logs_);
    fs::create_directories(outputs_);
  }

  void Serve(uint64_t quota = 0) {
    server_ = std::make_unique<FilesServer>(
        base_ / "run", FilesServer::Options{.quota = quota});
    proxy_ = std::make_unique<test::FaultProxy>(test::FaultProxy::Options{
        .port = static_cast<uint16_t>(server_->port())});
  }

  void Start(NodeFiles::Options options = {}) {
    if (!proxy_) Serve();
    options.log_dir = logs_;
    options.output_dir = outputs_;
    options.channel = rendezvous::Dial("127.0.0.1", proxy_->port(),
                                       rendezvous::Credentials::Insecure(),
                                       rendezvous::ChannelUse::kBulk);
    if (options.introduction.run_id().empty()) {
      options.introduction.set_run_id("run");
    }
    files_ = std::make_unique<NodeFiles>(
        std::move(options),
        NodeFiles::Callbacks{
            .on_done =
                [this](NodeFilesResult result) {
                  const std::lock_guard<std::mutex> lock(mutex_);
                  result_ = std::move(result);
                  changed_.notify_all();
                },
            .on_notice =
                [this](const std::string& line) {
                  const std::lock_guard<std::mutex> lock(mutex_);
                  notices_.push_back(line);
                  changed_.notify_all();
                }});
    files_->Start();
  }

  bool IsDone() {
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(50),
                             [this] { return result_.has_value(); });
  }
  std::vector<std::string> Notices() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return notices_;
  }
  NodeFilesResult Finish() {
    files_->Finish();
    EXPECT_TRUE(IsDone());
    return result_.value_or(NodeFilesResult());
  }

  static std::map<std::string, std::string> Reasons(const FileList& list) {
    std::map<std::string, std::string> reasons;
    for (const ListedFile& file : list.shown) reasons[file.path] = file.reason;
    return reasons;
  }

  std::string Node(const std::string& path) const {
    return base_ / ("run/nodes/node0/" + path);
  }
  bool Arrived(const std::string& path, const std::string& bytes) const {
    return Eventually([&] {
      return fs::exists(Node(path)) && ReadFile(Node(path)) == bytes;
    });
  }
  std::map<std::string, std::string> There(const std::string& tree) const {
    return fs::exists(Node(tree)) ? collector::Tree(Node(tree))
                                  : std::map<std::string, std::string>();
  }

  TempDir base_;
  const std::string logs_ = base_ / "node/logs";
  const std::string outputs_ = base_ / "node/outputs";
  std::unique_ptr<FilesServer> server_;
  std::unique_ptr<test::FaultProxy> proxy_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<NodeFilesResult> result_;
  std::vector<std::string> notices_;

  std::unique_ptr<NodeFiles> files_;
};

TEST_F(NodeFilesTest, SendsAnOutputWhenItIsClosed) {
  Start();
  WriteFile(outputs_ + "/model", "weights");
  EXPECT_TRUE(Arrived("outputs/model", "weights"));
  WriteFile(outputs_ + "/new/directory/model", "weights");
  EXPECT_TRUE(Arrived("outputs/new/directory/model", "weights"));
  WriteFile(outputs_ + "/model", "other weights");
  EXPECT_TRUE(Arrived("outputs/model", "other weights"));
}

TEST_F(NodeFilesTest, SendsAnOutputThatIsRenamedIntoPlace) {
  Start();
  WriteFile(base_ / "node/elsewhere", "one");
  fs::rename(base_ / "node/elsewhere", outputs_ + "/a");
  EXPECT_TRUE(Arrived("outputs/a", "one"));
  WriteFile(base_ / "node/tree/b/c", "two");
  fs::rename(base_ / "node/tree", outputs_ + "/tree");
  EXPECT_TRUE(Arrived("outputs/tree/b/c", "two"));
}

TEST_F(NodeFilesTest, ShowsALogAsItGrows) {
  Start();
  std::string all;
  for (int i = 0; i < 5; ++i) {
    const std::string line = "line " + std::to_string(i) + "\n";
    Append(logs_ + "/train.log", line);
    all += line;
    ASSERT_TRUE(Arrived("logs/train.log", all));
  }
  fs::rename(logs_ + "/train.log", logs_ + "/train.log.1");
  Append(logs_ + "/train.log", "new\n");
  EXPECT_TRUE(Arrived("logs/train.log", "new\n"));
  EXPECT_TRUE(Arrived("logs/train.log.1", all));
}

TEST_F(NodeFilesTest, FindsDirectoriesThatComeLater) {
  fs::remove_all(logs_);
  fs::remove_all(outputs_);
  Start();
  WriteFile(logs_ + "/a", "log\n");
  WriteFile(outputs_ + "/a", "output");
  EXPECT_TRUE(Arrived("logs/a", "log\n"));
  EXPECT_TRUE(Arrived("outputs/a", "output"));
  // Others take their names.
  fs::rename(logs_, base_ / "node/old_logs");
  fs::rename(outputs_, base_ / "node/old_outputs");
  WriteFile(logs_ + "/b", "log\n");
  WriteFile(outputs_ + "/b", "output");
  EXPECT_TRUE(Arrived("logs/b", "log\n"));
  EXPECT_TRUE(Arrived("outputs/b", "output"));
  const NodeFilesResult result = Finish();
  EXPECT_TRUE(result.IsComplete()) << result.problem;
  EXPECT_EQ(ReadFile(Node("outputs/a")), "output") << "it stays";
}

TEST_F(NodeFilesTest, SendsATreeByteForByteAtTheEnd) {
  WriteFile(outputs_ + "/big", Bytes(9'000'017));
  WriteFile(outputs_ + "/medium", Bytes(300'000));
  WriteFile(outputs_ + "/empty", "");
  WriteFile(outputs_ + "/a/b/c/nested", "deep");
  WriteFile(outputs_ + "/a/\xff\xfe name\n", "no text");
  WriteFile(logs_ + "/x/y.log", "log\n");
  fs::create_hard_link(outputs_ + "/medium", outputs_ + "/linked");
  Start();
  const NodeFilesResult result = Finish();
  EXPECT_TRUE(result.IsComplete()) << result.problem;
  EXPECT_EQ(There("outputs"), collector::Tree(outputs_));
  EXPECT_EQ(There("logs"), collector::Tree(logs_));
  EXPECT_EQ(result.files, 6u);
  EXPECT_EQ(result.held.log_bytes(), 4u);
  EXPECT_EQ(result.held.output_bytes(), 9'000'017u + 600'000 + 4 + 7);
  EXPECT_EQ(result.skipped.count, 0u);
  EXPECT_EQ(files_->progress().done, files_->progress().known);
}

TEST_F(NodeFilesTest, SkipsWhatIsNoFileAndSaysWhy) {
  WriteFile(outputs_ + "/good", "x");
  WriteFile(base_ / "secret", "secret");
  fs::create_symlink(base_ / "secret", outputs_ + "/link");
  fs::create_symlink("nowhere", outputs_ + "/dangling");
  fs::create_symlink(".", outputs_ + "/loop");
  ASSERT_EQ(mkfifo((outputs_ + "/fifo").c_str(), 0644), 0);
  const int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, (outputs_ + "/socket").c_str(),
          sizeof(address.sun_path) - 1);
  ASSERT_EQ(
      bind(socket_fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
      0);
  const bool has_device =
      mknod((outputs_ + "/device").c_str(), S_IFCHR | 0666, makedev(1, 5)) == 0;
  std::string deep = outputs_;
  for (int i = 0; i < 64; ++i) deep += "/d";
  WriteFile(deep, "too deep");
  Start();
  const NodeFilesResult result = Finish();
  close(socket_fd);
  EXPECT_TRUE(result.IsComplete()) << result.problem;
  auto reasons = Reasons(result.skipped);
  EXPECT_EQ(reasons["outputs/link"], "a symbolic link");
  EXPECT_EQ(reasons["outputs/dangling"], "a symbolic link");
  EXPECT_EQ(reasons["outputs/loop"], "a symbolic link");
  EXPECT_EQ(reasons["outputs/fifo"], "a FIFO");
  EXPECT_EQ(reasons["outputs/socket"], "a socket");
  EXPECT_EQ(reasons["outputs/device"], has_device ? "a device" : "");
  EXPECT_EQ(result.skipped.count, has_device ? 7u : 6u);
  EXPECT_EQ(There("outputs"),
            (std::map<std::string, std::string>{{"good", "x"}}));
}

TEST_F(NodeFilesTest, SendsASparseFileAsOne) {
  const std::string sparse = outputs_ + "/sparse";
  WriteFile(sparse, "begin");
  ASSERT_EQ(truncate(sparse.c_str(), off_t{10} << 30), 0);
  const int fd = open(sparse.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_EQ(pwrite(fd, "middle", 6, off_t{5} << 30), 6);
  close(fd);
  Start();
  const NodeFilesResult result = Finish();
  EXPECT_TRUE(result.IsComplete()) << result.problem;
  EXPECT_LT(proxy_->counts().up, 1u << 20);
  struct stat here;
  struct stat there;
  ASSERT_EQ(stat(sparse.c_str(), &here), 0);
  ASSERT_EQ(stat(Node("outputs/sparse").c_str(), &there), 0);
  EXPECT_EQ(there.st_size, here.st_size);
  EXPECT_EQ(there.st_blocks, here.st_blocks);
  std::string middle(6, '\0');
  const int copy = open(Node("outputs/sparse").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(pread(copy, middle.data(), 6, off_t{5} << 30), 6);
  close(copy);
  EXPECT_EQ(middle, "middle");
}

TEST_F(NodeFilesTest, SendsNoVersionTwice) {
  Start();
  WriteFile(outputs_ + "/a", Bytes(3'000'000));
  ASSERT_TRUE(Arrived("outputs/a", Bytes(3'000'000)));
  const NodeFilesResult result = Finish();
  EXPECT_TRUE(result.IsComplete()) << result.problem;
  EXPECT_EQ(result.files, 1u);
  EXPECT_LT(proxy_->counts().up, 3'500'000u);
}

TEST_F(NodeFilesTest, FollowedLogsAreNotSentAgain) {
  Start();
  Append(logs_ + "/a", Bytes(3'000'000));
  ASSERT_TRUE(Arrived("logs/a", Bytes(3'000'000)));
  const NodeFilesResult result = Finish();
  EXPECT_TRUE(result.IsComplete()) << result.problem;
  EXPECT_EQ(result.files, 0u);
  EXPECT_LT(proxy_->counts().up, 3'500'000u);
  EXPECT_EQ(result.held.log_bytes(), 3'000'000u);
}

TEST_F(NodeFilesTest, EndsWithALogThatWasWrittenOverInPlace) {
  Start();
  std::string bytes = Bytes(100'000);
  WriteFile(logs_ + "/a", bytes);
  ASSERT_TRUE(Arrived("logs/a", bytes));
  const int fd = open((logs_ + "/a").c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_EQ(pwrite(fd, "changed", 7, 50'000), 7);
  close(fd);
  bytes.replace(50'000, 7, "changed");
  const NodeFilesResult result = Finish();
  EXPECT_TRUE(result.IsComplete()) << result.problem;
  EXPECT_EQ(ReadFile(Node("logs/a")), bytes);
}

// Same size, and the time of the last change set back.
void WriteOver(const std::string& path, const std::string& bytes) {
  struct stat before;
  ASSERT_EQ(stat(path.c_str(), &before), 0);
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_EQ(pwrite(fd, bytes.data(), bytes.size(), 0),
            static_cast<ssize_t>(bytes.size()));
  const timespec times[] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(futimens(fd, times), 0);
  close(fd);
}

TEST_F(NodeFilesTest, NoticesARewriteThatHidesItself) {
  constexpr size_t kSize = 24 << 20;
  const std::string path = outputs_ + "/a";
  WriteFile(path, Bytes(kSize, 1));
  Serve();
  // Slow enough to be changed on the way.
  proxy_->Set({.delay = absl::Milliseconds(20), .slice = 1 << 16});
  Start();
  files_->Finish();
  ASSERT_TRUE(proxy_->WaitFor(
      [](const test::ProxyCounts& counts) { return counts.up > 4u << 20; }));
  WriteOver(path, Bytes(kSize, 2));
  ASSERT_TRUE(IsDone());
  EXPECT_TRUE(result_->IsComplete()) << result_->problem;
  EXPECT_TRUE(ReadFile(Node("outputs/a")) == Bytes(kSize, 2));
}

TEST_F(NodeFilesTest, NoticesAHiddenRewriteAfterTheUpload) {
  const std::string path = outputs_ + "/a";
  Start();
  WriteFile(path, "first!");
  ASSERT_TRUE(Arrived("outputs/a", "first!"));
  WriteOver(path, "second");
  const NodeFilesResult result = Finish();
  EXPECT_TRUE(result.IsComplete()) << result.problem;
  EXPECT_EQ(ReadFile(Node("outputs/a")), "second");
}

TEST_F(NodeFilesTest, ListsAFileThatNeverKeepsStill) {
  const std::string path = outputs_ + "/a";
  WriteFile(path, Bytes(200'000));
  std::atomic<bool> over = false;
  std::thread writer([&] {
    const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    for (uint32_t i = 0; !over; ++i) {
      EXPECT_EQ(pwrite(fd, &i, sizeof i, 0), 4);
      usleep(500);
    }
    close(fd);
  });
  Serve();
  // The reader waits in the middle of the file.
  proxy_->Set({.delay = absl::Milliseconds(10)});
  WriteFile(outputs_ + "/b", "quiet");
  WriteFile(path, Bytes(24 << 20));
  Start();
  const NodeFilesResult result = Finish();
  over = true;
  writer.join();
  EXPECT_EQ(ReadFile(Node("outputs/b")), "quiet");
  EXPECT_THAT(Reasons(result.unsent)["outputs/a"], HasSubstr("unstable"));
  EXPECT_FALSE(fs::exists(Node("outputs/a")));
}

TEST_F(NodeFilesTest, GoesOnAfterEveryCut) {
  constexpr size_t kSize = 96 << 20;
  WriteFile(outputs_ + "/big", Bytes(kSize));
  for (int i = 0; i < 2000; ++i) {
    WriteFile(outputs_ + "/small/" + std::to_string(i), std::to_string(i));
  }
  WriteFile(logs_ + "/a", Bytes(2'000'000));
  Serve();
  std::mt19937 random(7);
  const auto cut = [&] {
    proxy_->CutAfter(1 + random() % (40 << 20), test::Direction::kUp,
                     test::Cut::kReset);
  };
  cut();
  Start();
  files_->Finish();
  for (uint64_t cuts = 1; cuts <= 4; ++cuts) {
    if (!proxy_->WaitFor([&](const test::ProxyCounts& counts) {
          return counts.connections > cuts || result_.has_value();
        })) {
      break;
    }
    cut();
  }
  ASSERT_TRUE(IsDone());
  EXPECT_TRUE(result_->IsComplete()) << result_->problem;
  EXPECT_EQ(There("outputs"), collector::Tree(outputs_));
  EXPECT_EQ(There("logs"), collector::Tree(logs_));
  // A window is lost with each cut, and the end that was not noted.
  EXPECT_LT(proxy_->counts().up, kSize + kSize / 2 + (20u << 20));
  EXPECT_THAT(Notices(), Contains(HasSubstr("trying again")));
  EXPECT_EQ(fs::is_empty(base_ / "run/.muster/parts"), true);
}

TEST_F(NodeFilesTest, LooksThroughDirectoriesThatItMayNotWatch) {
  Start({.most_watches = 1});
  WriteFile(outputs_ + "/d/a", "one");
  EXPECT_TRUE(Arrived("outputs/d/a", "one"));
  WriteFile(logs_ + "/d/a", "two\n");
  EXPECT_TRUE(Arrived("logs/d/a", "two\n"));
  Append(logs_ + "/d/a", "three\n");
  EXPECT_TRUE(Arrived("logs/d/a", "two\nthree\n"));
  WriteFile(outputs_ + "/e/b", "four");
  EXPECT_TRUE(Arrived("outputs/e/b", "four"));
  EXPECT_THAT(Notices(), SizeIs(2)) << "once for each";
  EXPECT_TRUE(Finish().IsComplete());
}

TEST_F(NodeFilesTest, SaysThatTheCollectorTakesNothing) {
  WriteFile(outputs_ + "/a", "one");
  NodeFiles::Options options;
  options.introduction.set_run_id("closed");
  Start(std::move(options));
  const NodeFilesResult result = Finish();
  EXPECT_FALSE(result.IsComplete());
  EXPECT_THAT(result.problem, HasSubstr("not this node's run"));
  EXPECT_EQ(Reasons(result.unsent).count("outputs/a"), 1u);
}

TEST_F(NodeFilesTest, ListsWhatIsUnsentWhenThereIsNoTime) {
  Serve();
  Start();
  WriteFile(outputs_ + "/a", "one");
  WriteFile(logs_ + "/l", "log\n");
  ASSERT_TRUE(Arrived("outputs/a", "one"));
  ASSERT_TRUE(Arrived("logs/l", "log\n"));
  // What was stored is known when it was answered.
  ASSERT_TRUE(Eventually([&] { return files_->progress().done == 7; }));
  proxy_->Refuse(true);
  proxy_->CutAll(test::Cut::kReset);
  WriteFile(outputs_ + "/b", "two");
  WriteFile(outputs_ + "/c/d", Bytes(10 << 20));
  Append(logs_ + "/l", "more\n");
  files_->Finish();
  files_->Abandon("nobody waits");
  ASSERT_TRUE(IsDone());
  EXPECT_FALSE(result_->IsComplete());
  EXPECT_EQ(result_->problem, "nobody waits");
  const auto unsent = Reasons(result_->unsent);
  EXPECT_EQ(unsent.size(), 3u);
  EXPECT_EQ(unsent.count("outputs/b"), 1u);
  EXPECT_EQ(unsent.count("outputs/c/d"), 1u);
  EXPECT_EQ(unsent.count("logs/l"), 1u);
}

TEST_F(NodeFilesTest, WaitsForRoomAndGoesOn) {
  Serve(1'500'000);
  ASSERT_TRUE(server_->run().quota.Charge(500'000));
  WriteFile(outputs_ + "/a", Bytes(600'000));
  WriteFile(outputs_ + "/b", Bytes(600'000));
  Start();
  files_->Finish();
  ASSERT_TRUE(Eventually([&] {
    const auto notices = Notices();
    return !notices.empty() && notices[0].find("quota") != std::string::npos;
  }));
  server_->run().quota.Refund(500'000);
  ASSERT_TRUE(IsDone());
  EXPECT_TRUE(result_->IsComplete()) << result_->problem;
  EXPECT_EQ(There("outputs"), collector::Tree(outputs_));
}

// A file of which the beginning is sent again and again.
TEST_F(NodeFilesTest, SaysOnceThatTheCollectorIsFullAndOnceThatItIsNot) {
  Serve(5'000'000);
  ASSERT_TRUE(server_->run().quota.Charge(2'000'000));
  WriteFile(outputs_ + "/a", Bytes(4'000'000));
  Start();
  files_->Finish();
  ASSERT_TRUE(proxy_->WaitFor(
      [](const test::ProxyCounts& counts) { return counts.up > 10'000'000; }));
  EXPECT_LE(files_->progress().done, 3'000'000u) << "nothing of it is new";
  server_->run().quota.Refund(2'000'000);
  ASSERT_TRUE(IsDone());
  EXPECT_TRUE(result_->IsComplete()) << result_->problem;
  EXPECT_EQ(files_->progress().done, 4'000'000u);
  EXPECT_EQ(There("outputs"), collector::Tree(outputs_));
  EXPECT_THAT(Notices(),
              testing::ElementsAre(HasSubstr("takes no files at the moment"),
                                   HasSubstr("takes files again")));
}

TEST_F(NodeFilesTest, StopsAtOnceWhenItIsDestroyed) {
  WriteFile(outputs_ + "/a", Bytes(64 << 20));
  Serve();
  proxy_->Set({.stalls_up = true});
  Start();
  files_->Finish();
  ASSERT_TRUE(proxy_->WaitFor(
      [](const test::ProxyCounts& counts) { return counts.connections > 0; }));
  files_.reset();
  EXPECT_FALSE(result_);
}

}  // namespace
}  // namespace muster::files
