#include "launcher/history/run_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/history/run.h"

namespace muster::history {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RunFiles : public ::testing::Test {
 protected:
  RunFiles()
      : run_dir_(*OpenDirectory(run_.run_dir())),
        run_fd_(*OpenRun(run_dir_.get(), "run")) {}

  std::vector<std::string> List(absl::string_view prefix) const {
    const auto files = ListFiles(run_fd_.get(), prefix);
    EXPECT_TRUE(files.ok()) << files.status();
    std::vector<std::string> paths;
    for (const FileEntry& file : *files) paths.push_back(file.path());
    return paths;
  }
  absl::StatusCode Open(absl::string_view path) const {
    return OpenFile(run_fd_.get(), path).status().code();
  }

  const TestRun run_;
  const Fd run_dir_;
  const Fd run_fd_;
};

TEST_F(RunFiles, OnlyRunsAreListed) {
  std::filesystem::create_directories(run_.run_dir() + "/a-run/logs");
  std::filesystem::create_directories(run_.run_dir() + "/starting/.muster");
  // The working directories of `muster sim`, a stray directory, what the
  // collector makes, a file, a link to a run, and a name that is no id.
  std::filesystem::create_directories(run_.run_dir() + "/run.nodes/node0");
  std::filesystem::create_directories(run_.run_dir() + "/stray");
  std::filesystem::create_directories(run_.run_dir() + "/.muster-new-1/logs");
  test::WriteFile(run_.run_dir() + "/file", "");
  std::filesystem::create_symlink("run", run_.run_dir() + "/link");
  std::filesystem::create_directories(run_.run_dir() + "/a b/logs");
  const auto ids = ListRunIds(run_dir_.get());
  ASSERT_TRUE(ids.ok()) << ids.status();
  EXPECT_THAT(*ids, ElementsAre("a-run", "run", "starting"));
}

TEST_F(RunFiles, ARunIdIsNoPath) {
  for (const char* id : {"", ".", "..", "../run", "run/", "a/b", "/tmp", "a b",
                         ".muster", ".muster-new-1"}) {
    EXPECT_EQ(OpenRun(run_dir_.get(), id).status().code(),
              absl::StatusCode::kInvalidArgument)
        << id;
  }
  EXPECT_EQ(OpenRun(run_dir_.get(), std::string(65, 'a')).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(OpenRun(run_dir_.get(), "other").status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(RunFiles, FilesAreListedByPathWithoutWhatIsTheCollectorsOwn) {
  run_.Write("logs/0.stdout", "x");
  run_.Write("nodes/node0/outputs/a-b", "x");
  run_.Write("nodes/node0/outputs/a/x", "xyz");
  run_.Write(".muster/key", "secret");
  run_.Write(".part-17", "half");
  run_.Write("nodes/node0/outputs/.part-mine", "a file like any other");
  EXPECT_THAT(List(""),
              ElementsAre("logs/0.stdout", "nodes/node0/outputs/.part-mine",
                          "nodes/node0/outputs/a-b", "nodes/node0/outputs/a/x",
                          "run.json"));
  EXPECT_THAT(List("nodes/node0/outputs/a/"),
              ElementsAre("nodes/node0/outputs/a/x"));
  EXPECT_THAT(List("log"), ElementsAre("logs/0.stdout"));
  EXPECT_THAT(List(".muster"), IsEmpty());
  EXPECT_EQ(Open(".muster/key"), absl::StatusCode::kNotFound);
  EXPECT_EQ(Open(".part-17"), absl::StatusCode::kNotFound);
  EXPECT_EQ(Open("nodes/node0/outputs/.part-mine"), absl::StatusCode::kOk);
}

TEST_F(RunFiles, AnEntryHasSizeTimeAndMode) {
  run_.Write("nodes/node0/outputs/m", "12345");
  chmod(run_.Path("nodes/node0/outputs/m").c_str(), 04751);
  const timespec times[] = {{1, 0}, {5, 7}};
  utimensat(AT_FDCWD, run_.Path("nodes/node0/outputs/m").c_str(), times, 0);
  const auto files = ListFiles(run_fd_.get(), "nodes/");
  ASSERT_TRUE(files.ok());
  ASSERT_EQ(files->size(), 1u);
  EXPECT_EQ((*files)[0].size(), 5u);
  EXPECT_EQ((*files)[0].mtime_ns(), 5'000'000'007);
  EXPECT_EQ((*files)[0].mode(), 0751u);
}

TEST_F(RunFiles, NothingOutsideOfTheRunCanBeReached) {
  const test::TempDir outside;
  test::WriteFile(outside.File("secret"), "secret");
  std::filesystem::create_directories(run_.Path("nodes"));
  std::filesystem::create_symlink(outside.path(), run_.Path("nodes/link"));
  std::filesystem::create_symlink(outside.File("secret"), run_.Path("file"));
  EXPECT_THAT(List(""), ElementsAre("run.json"));
  EXPECT_THAT(List("nodes/link/"), IsEmpty());
  EXPECT_EQ(Open("nodes/link/secret"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Open("file"), absl::StatusCode::kInvalidArgument);
  for (const std::string path :
       {"../run/run.json", "/etc/passwd", "", ".", "nodes//x", "a/./b"}) {
    EXPECT_EQ(Open(path), absl::StatusCode::kInvalidArgument) << path;
  }
}

TEST_F(RunFiles, WhatIsNoRegularFileIsNotRead) {
  ASSERT_EQ(mkfifo(run_.Path("fifo").c_str(), 0600), 0);
  std::filesystem::create_directories(run_.Path("directory"));
  EXPECT_EQ(Open("fifo"), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Open("directory"), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Open("run.json/x"), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Open("missing"), absl::StatusCode::kNotFound);
  EXPECT_THAT(List(""), ElementsAre("run.json"));
}

TEST_F(RunFiles, ASummaryCountsTheFilesUntilTheReportKnows) {
  run_.Write("logs/0.stdout", "12345");
  run_.Write("logs/0.stdout.gaps", "{}");
  run_.Write("logs/node0.agent", "1234567890");
  run_.Write("nodes/node0/logs/train", "123");
  run_.Write("nodes/node0/outputs/m", "1234567");
  auto summary = Summarize(run_fd_.get(), "run", true);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->log_bytes(), 8u);
  EXPECT_EQ(summary->output_bytes(), 7u);
  EXPECT_EQ(summary->run_json(), "{\"run_id\": \"run\"}");
  EXPECT_EQ(summary->report_json(), "");
  EXPECT_GT(summary->changed_unix_ms(), 0);

  run_.Publish("report.json", R"({"bytes": {"logs": 100, "outputs": 200}})");
  summary = Summarize(run_fd_.get(), "run", true);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->log_bytes(), 100u);
  EXPECT_EQ(summary->output_bytes(), 200u);
}

TEST(OpenDirectory, ThatIsMissingIsNamed) {
  const absl::Status status = OpenDirectory("/no/such").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("/no/such"));
}

}  // namespace
}  // namespace muster::history
