#include "launcher/history/download.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "launcher/history/run_files.h"
#include "tests/launcher/history/run.h"

namespace muster::history {
namespace {

using test::FilesBelow;
using test::ReadFile;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A source that breaks, or whose file changes, after so many bytes.
class Faulty final : public RunSource {
 public:
  explicit Faulty(RunSource* real) : real_(real) {}

  std::string Where() const override { return ""; }
  std::string PathOf(const std::string&, const std::string&) const override {
    return "";
  }
  absl::StatusOr<std::vector<RunSummary>> ListRuns(
      const ListRunsRequest& request) override {
    return real_->ListRuns(request);
  }
  absl::StatusOr<std::vector<FileEntry>> ListFiles(
      const ListFilesRequest& request) override {
    return real_->ListFiles(request);
  }
  absl::Status Read(const ReadRequest& request, TakeChunk take) override {
    ++reads;
    last = request;
    uint64_t sent = 0;
    const absl::Status fault = std::exchange(next_fault, absl::OkStatus());
    return real_->Read(request, [&](const ReadChunk& chunk) {
      if (!fault.ok() && sent >= 300'000) return fault;
      sent += chunk.data().size();
      return take(chunk);
    });
  }
  absl::StatusOr<std::unique_ptr<LogFeed>> Logs(
      const LogsRequest& request) override {
    return real_->Logs(request);
  }

  int reads = 0;
  ReadRequest last;
  absl::Status next_fault;

 private:
  RunSource* const real_;
};

class DownloadTest : public ::testing::Test {
 protected:
  DownloadTest()
      : real_(*OpenLocalRuns(run_.run_dir())),
        source_(real_.get()),
        root_(*OpenDirectory(to_.path())) {}

  SelectedFile Listed(const std::string& path, const std::string& target) {
    ListFilesRequest request;
    request.set_run_id("run");
    request.set_prefix(path);
    const auto files = real_->ListFiles(request);
    EXPECT_TRUE(files.ok() && files->size() == 1) << path;
    return {(*files)[0], target};
  }
  absl::StatusOr<Got> Get(const SelectedFile& file) {
    return Download(source_, "run", file, root_.get(),
                    [this](uint64_t bytes) { bytes_ += bytes; });
  }
  absl::StatusOr<Got> Get(const std::string& target) {
    return Get(Listed("nodes/node0/outputs/m", target));
  }
  std::string To(const std::string& path) const { return to_.File(path); }

  const TestRun run_;
  const test::TempDir to_;
  const std::unique_ptr<RunSource> real_;
  Faulty source_;
  const Fd root_;
  uint64_t bytes_ = 0;
};

TEST_F(DownloadTest, AFileComesWithItsModeAndItsTime) {
  run_.Write("nodes/node0/outputs/m", "content");
  chmod(run_.Path("nodes/node0/outputs/m").c_str(), 0751);
  const timespec times[] = {{1, 0}, {5, 7}};
  utimensat(AT_FDCWD, run_.Path("nodes/node0/outputs/m").c_str(), times, 0);
  EXPECT_EQ(*Get("a/b/m"), Got::kCopied);
  EXPECT_EQ(ReadFile(To("a/b/m")), "content");
  struct stat found;
  ASSERT_EQ(stat(To("a/b/m").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0751u);
  EXPECT_EQ(found.st_mtim.tv_sec, 5);
  EXPECT_EQ(found.st_mtim.tv_nsec, 7);
  EXPECT_EQ(bytes_, 7u);
  EXPECT_THAT(FilesBelow(to_.path()), ElementsAre("a/b/m"));
}

TEST_F(DownloadTest, WhatIsThereIsLeftAloneAndWhatIsOlderIsReplaced) {
  run_.Write("nodes/node0/outputs/m", "content");
  EXPECT_EQ(*Get("m"), Got::kCopied);
  EXPECT_EQ(*Get("m"), Got::kWasThere);
  EXPECT_EQ(source_.reads, 1);
  run_.Write("nodes/node0/outputs/m", "another");
  EXPECT_EQ(*Get("m"), Got::kCopied);
  EXPECT_EQ(ReadFile(To("m")), "another");
  test::WriteFile(To("m"), "spoiled");
  EXPECT_EQ(*Get("m"), Got::kCopied);
  EXPECT_EQ(ReadFile(To("m")), "another");
}

TEST_F(DownloadTest, ACopyThatWasCutGoesOnAndTheOldOneStaysUntilThen) {
  const std::string content = std::string(700'000, 'a') + "end";
  run_.Write("nodes/node0/outputs/m", content);
  test::WriteFile(To("m"), "old");
  source_.next_fault = absl::UnavailableError("gone");
  EXPECT_EQ(Get("m").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReadFile(To("m")), "old");
  EXPECT_EQ(FilesBelow(to_.path()).size(), 2u) << "there is no part";
  const uint64_t before = bytes_;
  EXPECT_EQ(*Get("m"), Got::kCopied);
  EXPECT_EQ(source_.last.offset(), before);
  EXPECT_EQ(bytes_, content.size());
  EXPECT_TRUE(ReadFile(To("m")) == content);
  EXPECT_THAT(FilesBelow(to_.path()), ElementsAre("m"));
}

TEST_F(DownloadTest, AFileThatChangesWhileItIsCopiedIsCopiedFromTheStart) {
  run_.Write("nodes/node0/outputs/m", std::string(700'000, 'a'));
  const SelectedFile file = Listed("nodes/node0/outputs/m", "m");
  source_.next_fault = absl::AbortedError("it has changed");
  run_.Publish("nodes/node0/outputs/m", std::string(400'000, 'b'));
  EXPECT_EQ(*Get(file), Got::kCopied);
  EXPECT_TRUE(ReadFile(To("m")) == std::string(400'000, 'b'));
}

TEST_F(DownloadTest, ThePartOfAnotherVersionIsNotGoneOnWith) {
  run_.Write("nodes/node0/outputs/m", std::string(700'000, 'a'));
  source_.next_fault = absl::UnavailableError("gone");
  EXPECT_FALSE(Get("m").ok());
  run_.Publish("nodes/node0/outputs/m", std::string(700'000, 'b'));
  EXPECT_EQ(*Get("m"), Got::kCopied);
  EXPECT_TRUE(ReadFile(To("m")) == std::string(700'000, 'b'));
}

TEST_F(DownloadTest, HolesStayHoles) {
  run_.Write("nodes/node0/outputs/m", "begin");
  std::filesystem::resize_file(run_.Path("nodes/node0/outputs/m"), 1 << 30);
  EXPECT_EQ(*Get("m"), Got::kCopied);
  struct stat found;
  ASSERT_EQ(stat(To("m").c_str(), &found), 0);
  EXPECT_EQ(found.st_size, 1 << 30);
  EXPECT_LT(found.st_blocks, 4096);
  EXPECT_LT(bytes_, 1u << 21);
}

TEST_F(DownloadTest, NothingIsWrittenOutsideOfTheDirectory) {
  run_.Write("nodes/node0/outputs/m", "content");
  const test::TempDir outside;
  std::filesystem::create_symlink(outside.path(), To("link"));
  for (const std::string& target :
       {std::string("../m"), std::string("/tmp/m"), std::string("a/../../m"),
        std::string(""), std::string("link/m"), std::string("a\0b", 3),
        std::string(300, 'x')}) {
    EXPECT_EQ(Get(target).status().code(), absl::StatusCode::kInvalidArgument)
        << target;
  }
  EXPECT_THAT(FilesBelow(outside.path()), IsEmpty());
  EXPECT_EQ(source_.reads, 0);
}

TEST_F(DownloadTest, ALinkInPlaceOfTheFileIsReplacedAndNotFollowed) {
  run_.Write("nodes/node0/outputs/m", "content");
  const test::TempDir outside;
  test::WriteFile(outside.File("target"), "mine");
  std::filesystem::create_symlink(outside.File("target"), To("m"));
  EXPECT_EQ(*Get("m"), Got::kCopied);
  EXPECT_EQ(ReadFile(outside.File("target")), "mine");
  EXPECT_FALSE(std::filesystem::is_symlink(To("m")));
}

TEST_F(DownloadTest, ADirectoryInItsPlaceIsAMistakeAndSoIsAFileAboveIt) {
  run_.Write("nodes/node0/outputs/m", "content");
  std::filesystem::create_directories(To("m"));
  EXPECT_EQ(Get("m").status().code(), absl::StatusCode::kFailedPrecondition);
  test::WriteFile(To("file"), "");
  EXPECT_EQ(Get("file/m").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(DownloadTest, TwoAtOneFileDoNotMix) {
  run_.Write("nodes/node0/outputs/m", std::string(700'000, 'a'));
  source_.next_fault = absl::UnavailableError("gone");
  EXPECT_FALSE(Get("m").ok());
  ASSERT_EQ(FilesBelow(to_.path()).size(), 1u);
  const int part = open(To(FilesBelow(to_.path())[0]).c_str(), O_RDWR);
  ASSERT_EQ(flock(part, LOCK_EX), 0);
  const absl::Status second = Get("m").status();
  EXPECT_EQ(second.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.message()), HasSubstr("another muster get"));
  close(part);
  EXPECT_EQ(*Get("m"), Got::kCopied);
}

TEST_F(DownloadTest, AnEmptyFileIsAFile) {
  run_.Write("nodes/node0/outputs/m", "");
  EXPECT_EQ(*Get("m"), Got::kCopied);
  EXPECT_TRUE(test::Exists(To("m")));
}

TEST_F(DownloadTest, OfAFileThatIsGoneNothingIsLeft) {
  run_.Write("nodes/node0/outputs/m", "content");
  const SelectedFile file = Listed("nodes/node0/outputs/m", "m");
  std::filesystem::remove(run_.Path("nodes/node0/outputs/m"));
  EXPECT_EQ(Get(file).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(FilesBelow(to_.path()), IsEmpty());
}

}  // namespace
}  // namespace muster::history
