// A collector that is killed at the worst of moments, and started again.
#include <sys/types.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "launcher/files/node_files.h"
#include "rendezvous/transport.h"
#include "tests/launcher/collector/files.h"
#include "tests/support/eventually.h"
#include "tests/support/files.h"
#include "tests/support/subprocess.h"

namespace muster::files {
namespace {

using collector::ReadFile;
using collector::TempDir;
using collector::WriteFile;
using test::Eventually;
using test::Subprocess;

namespace fs = std::filesystem;

std::string Bytes(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes(size, '\0');
  for (size_t i = 0; i + 8 <= size; i += 8) {
    const uint64_t word = random();
    memcpy(&bytes[i], &word, 8);
  }
  return bytes;
}

class CollectorKilledTest : public testing::Test {
 protected:
  CollectorKilledTest() {
    fs::create_directories(base_ / "logs");
    fs::create_directories(base_ / "outputs");
    fs::create_directories(base_ / "run");
  }

  // On the same port each time.
  void Serve(const std::string& failpoint = "") {
    test::Command command;
    command.argv = {MUSTER_FILES_BENCH, "serve", base_ / "run",
                    std::to_string(port_)};
    if (!failpoint.empty()) command.env["MUSTER_FAILPOINT"] = failpoint;
    collector_ = std::make_unique<Subprocess>(command);
    ASSERT_TRUE(collector_->WaitForOutput("\n")) << collector_->Text();
    port_ = std::stoi(collector_->Out());
  }

  void Start() {
    NodeFiles::Options options;
    options.log_dir = base_ / "logs";
    options.output_dir = base_ / "outputs";
    options.channel = rendezvous::Dial("127.0.0.1", port_,
                                       rendezvous::Credentials::Insecure(),
                                       rendezvous::ChannelUse::kBulk);
    options.introduction.set_run_id("run");
    files_ = std::make_unique<NodeFiles>(
        std::move(options),
        NodeFiles::Callbacks{.on_done =
                                 [this](NodeFilesResult result) {
                                   const std::lock_guard<std::mutex> lock(
                                       mutex_);
                                   result_ = std::move(result);
                                 },
                             .on_notice = [](const std::string&) {}});
    files_->Start();
  }
  bool IsDone() {
    return Eventually([this] {
      const std::lock_guard<std::mutex> lock(mutex_);
      return result_.has_value();
    });
  }
  bool WasKilled() { return collector_->Wait() == test::Killed(SIGKILL); }

  std::string Node(const std::string& path) const {
    return base_ / ("run/nodes/node0/" + path);
  }

  TempDir base_;
  int port_ = 0;
  std::unique_ptr<Subprocess> collector_;
  std::mutex mutex_;
  std::optional<NodeFilesResult> result_;
  std::unique_ptr<NodeFiles> files_;
};

TEST_F(CollectorKilledTest, ShowsTheOldVersionUntilTheNewOneIsWhole) {
  Serve();
  Start();
  WriteFile(base_ / "outputs/model", "old");
  ASSERT_TRUE(Eventually([&] { return fs::exists(Node("outputs/model")); }));
  collector_.reset();
  Serve("collector.before_rename");
  const std::string bytes = Bytes(9'000'000, 1);
  WriteFile(base_ / "outputs/model", bytes);
  ASSERT_TRUE(WasKilled());
  EXPECT_EQ(ReadFile(Node("outputs/model")), "old");
  Serve();
  files_->Finish();
  ASSERT_TRUE(IsDone());
  EXPECT_TRUE(result_->IsComplete()) << result_->problem;
  EXPECT_TRUE(ReadFile(Node("outputs/model")) == bytes);
  EXPECT_TRUE(fs::is_empty(base_ / "run/.muster/parts"));
}

TEST_F(CollectorKilledTest, LosesNothingHoweverOftenItIsKilled) {
  for (int i = 0; i < 300; ++i) {
    WriteFile(
        base_ / ("outputs/d" + std::to_string(i % 5) + "/" + std::to_string(i)),
        "small " + std::to_string(i));
  }
  WriteFile(base_ / "outputs/big", Bytes(60'000'000, 2));
  WriteFile(base_ / "outputs/medium", Bytes(500'000, 3));
  WriteFile(base_ / "logs/a", Bytes(3'000'000, 4));
  Serve("collector.before_rename");
  Start();
  files_->Finish();
  for (int round = 0; round < 4; ++round) {
    if (round % 2 == 0) {
      ASSERT_TRUE(WasKilled()) << round;
    } else {
      // In the middle of whatever it does.
      ASSERT_TRUE(Eventually(
          [&] { return files_->progress().done > 0 || result_.has_value(); }));
      collector_->Signal(SIGKILL);
      ASSERT_TRUE(WasKilled()) << round;
    }
    Serve(round == 1 ? "collector.before_rename" : "");
    if (round == 3) break;
    if (round == 2 && result_.has_value()) break;
  }
  ASSERT_TRUE(IsDone());
  EXPECT_TRUE(result_->IsComplete()) << result_->problem;
  EXPECT_EQ(collector::Tree(Node("outputs")),
            collector::Tree(base_ / "outputs"));
  EXPECT_EQ(collector::Tree(Node("logs")), collector::Tree(base_ / "logs"));
  EXPECT_TRUE(fs::is_empty(base_ / "run/.muster/parts"));
}

}  // namespace
}  // namespace muster::files
