#include "launcher/collector/run_directory.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/collector/files.h"

namespace muster::collector {
namespace {

using testing::HasSubstr;

Introduction Node(uint32_t rank, uint32_t first, uint32_t workers,
                  uint32_t world, uint32_t attempt = 0) {
  Introduction node;
  node.set_run_id("run");
  node.set_node_rank(rank);
  node.set_first_rank(first);
  node.set_workers(workers);
  node.set_world_size(world);
  node.set_attempt(attempt);
  return node;
}

LogChunk Log(uint32_t rank, bool is_stderr, uint64_t offset,
             const std::string& data) {
  LogChunk chunk;
  chunk.set_rank(rank);
  chunk.set_is_stderr(is_stderr);
  chunk.set_offset(offset);
  chunk.set_data(data);
  return chunk;
}

FileChunk File(const std::string& path, uint64_t offset,
               const std::string& data, bool last) {
  FileChunk chunk;
  chunk.set_path(path);
  chunk.set_offset(offset);
  chunk.set_data(data);
  chunk.set_last(last);
  chunk.set_mode(0644);
  return chunk;
}

// A path for each rule of collector.proto.
std::vector<std::string> HostilePaths() {
  std::string deep = "outputs";
  for (int i = 0; i < 64; ++i) deep += "/d";
  return {"",
          "/etc/x",
          "../x",
          "outputs/../../x",
          "outputs/a/../../../x",
          "outputs/..",
          "outputs/./x",
          "outputs//x",
          "outputs/x/",
          "outputs",
          "outputs/",
          "x",
          "run.json",
          "logsx/a",
          std::string("outputs/a\0b", 11),
          "outputs/" + std::string(300, 'n'),
          "outputs" + std::string(5000, '/'),
          "outputs/" + std::string(250, 'n') + std::string(4096, 'n'),
          deep};
}

class RunDirectoryTest : public testing::Test {
 protected:
  RunDirectoryTest() {
    WriteFile(base_ / "outside/secret", "kept");
    auto made = RunDirectory::Create(base_ / "runs", "run");
    EXPECT_TRUE(made.ok()) << made.status();
    run_ = *std::move(made);
  }

  std::string In(const std::string& name) const {
    return run_->path() + "/" + name;
  }

  TempDir base_;
  std::unique_ptr<RunDirectory> run_;
};

TEST_F(RunDirectoryTest, MakesLogsAtOnceAndAsWideAsTheLargestRank) {
  ASSERT_TRUE(run_->Begin(Node(0, 0, 1, 10)).ok());
  ASSERT_TRUE(run_->Begin(Node(1, 9, 2, 11, 3)).ok());
  const auto tree = Tree(run_->path());
  EXPECT_EQ(tree.count("logs/0.stdout"), 1u);
  EXPECT_EQ(tree.count("logs/0.stderr"), 1u);
  EXPECT_EQ(tree.count("logs/attempt3/09.stdout"), 1u);
  EXPECT_EQ(tree.count("logs/attempt3/10.stderr"), 1u);
  EXPECT_EQ(tree.size(), 2u + 4u + 2u);
}

TEST_F(RunDirectoryTest, KeepsEveryByteOfALog) {
  ASSERT_TRUE(run_->Begin(Node(0, 0, 2, 2)).ok());
  const std::string odd("a\0\xff\xfe\r\n\xc3(", 8);
  const std::string line(64 * 1024, 'y');
  ASSERT_TRUE(run_->AppendLog(0, Log(1, true, 0, odd)).ok());
  ASSERT_TRUE(run_->AppendLog(0, Log(1, true, 8, line)).ok());
  EXPECT_EQ(ReadFile(In("logs/1.stderr")), odd + line);
  EXPECT_EQ(ReadFile(In("logs/1.stdout")), "");
  EXPECT_EQ(run_->log_bytes(), odd.size() + line.size());
}

TEST_F(RunDirectoryTest, RefusesBytesOutOfOrder) {
  ASSERT_TRUE(run_->Begin(Node(0, 0, 1, 1)).ok());
  ASSERT_TRUE(run_->AppendLog(0, Log(0, false, 0, "abc")).ok());
  for (const uint64_t offset : {0, 2, 4}) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        run_->AppendLog(0, Log(0, false, offset, "x"))));
  }
  LogChunk end = Log(0, false, 3, "");
  end.set_end(true);
  ASSERT_TRUE(run_->AppendLog(0, end).ok());
  EXPECT_TRUE(
      absl::IsInvalidArgument(run_->AppendLog(0, Log(0, false, 3, "x"))));
  EXPECT_TRUE(
      absl::IsInvalidArgument(run_->AppendLog(1, Log(0, false, 0, "x"))));
  EXPECT_EQ(ReadFile(In("logs/0.stdout")), "abc");
}

TEST_F(RunDirectoryTest, RefusesRanksThatAreNotTheNodes) {
  ASSERT_TRUE(run_->Begin(Node(0, 0, 2, 4)).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(run_->Begin(Node(1, 1, 2, 4))));
  EXPECT_TRUE(absl::IsInvalidArgument(run_->Begin(Node(1, 3, 2, 4))));
  EXPECT_TRUE(absl::IsInvalidArgument(run_->Begin(Node(1, 2, 2, 5))));
  EXPECT_TRUE(absl::IsInvalidArgument(run_->Begin(Node(1, 0, 0, 0))));
  EXPECT_TRUE(absl::IsInvalidArgument(
      run_->Begin(Node(1, 4294967295u, 4294967295u, 4294967295u, 1))));
  EXPECT_TRUE(run_->Begin(Node(1, 2, 2, 4)).ok());
  EXPECT_EQ(Tree(run_->path()).size(), 1u + 8u);
}

TEST_F(RunDirectoryTest, WritesMoreLogsThanItKeepsOpen) {
  constexpr uint32_t kWorld = 300;
  ASSERT_TRUE(run_->Begin(Node(0, 0, kWorld, kWorld)).ok());
  for (uint64_t round = 0; round < 3; ++round) {
    for (uint32_t rank = 0; rank < kWorld; ++rank) {
      ASSERT_TRUE(run_->AppendLog(0, Log(rank, false, round * 2, "ab")).ok());
    }
  }
  EXPECT_EQ(ReadFile(In("logs/007.stdout")), "ababab");
  EXPECT_EQ(ReadFile(In("logs/299.stdout")), "ababab");
  const auto open = std::filesystem::directory_iterator("/proc/self/fd");
  EXPECT_LT(std::distance(begin(open), end(open)), 290);
}

TEST_F(RunDirectoryTest, ShowsAFileOnlyWhenItIsWhole) {
  const std::string old(10, 'o');
  ASSERT_TRUE(run_->WriteFile(2, File("outputs/a/b", 0, old, true)).ok());
  ASSERT_TRUE(run_->WriteFile(2, File("outputs/a/b", 0, "new", false)).ok());
  EXPECT_EQ(ReadFile(In("nodes/node2/outputs/a/b")), old);
  EXPECT_TRUE(HasPartFile(run_->path()));
  ASSERT_TRUE(run_->WriteFile(2, File("outputs/a/b", 3, "er", true)).ok());
  EXPECT_EQ(ReadFile(In("nodes/node2/outputs/a/b")), "newer");
  EXPECT_FALSE(HasPartFile(run_->path()));
  EXPECT_EQ(run_->output_bytes(), 15u);
  EXPECT_EQ(run_->log_bytes(), 0u);
}

TEST_F(RunDirectoryTest, DropsUnfinishedFilesOfANodeThatEnds) {
  ASSERT_TRUE(run_->WriteFile(0, File("logs/a", 0, "old", true)).ok());
  ASSERT_TRUE(run_->WriteFile(0, File("logs/a", 0, "half", false)).ok());
  ASSERT_TRUE(run_->WriteFile(1, File("logs/a", 0, "other", false)).ok());
  run_->End(0);
  EXPECT_EQ(ReadFile(In("nodes/node0/logs/a")), "old");
  EXPECT_TRUE(absl::IsInvalidArgument(
      run_->WriteFile(0, File("logs/a", 4, "rest", true))));
  ASSERT_TRUE(run_->WriteFile(1, File("logs/a", 5, "", true)).ok());
  EXPECT_EQ(ReadFile(In("nodes/node1/logs/a")), "other");
  EXPECT_FALSE(HasPartFile(run_->path()));
}

TEST_F(RunDirectoryTest, RefusesFileBytesOutOfOrder) {
  EXPECT_TRUE(absl::IsInvalidArgument(
      run_->WriteFile(0, File("outputs/a", 1, "x", true))));
  ASSERT_TRUE(run_->WriteFile(0, File("outputs/a", 0, "abc", false)).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(
      run_->WriteFile(0, File("outputs/a", 2, "x", true))));
  EXPECT_TRUE(absl::IsInvalidArgument(
      run_->WriteFile(1, File("outputs/a", 3, "x", true))));
  EXPECT_TRUE(absl::IsInvalidArgument(run_->WriteFile(
      0, File("outputs/a", 3, std::string(64 * 1024 + 1, 'x'), true))));
}

TEST_F(RunDirectoryTest, BoundsTheUnfinishedFilesOfANode) {
  for (int i = 0; i < 64; ++i) {
    ASSERT_TRUE(
        run_->WriteFile(0, File("outputs/" + std::to_string(i), 0, "x", false))
            .ok());
  }
  EXPECT_TRUE(absl::IsInvalidArgument(
      run_->WriteFile(0, File("outputs/64", 0, "x", false))));
  EXPECT_TRUE(run_->WriteFile(1, File("outputs/64", 0, "x", true)).ok());
}

TEST_F(RunDirectoryTest, GivesFilesOnlyHarmlessModes) {
  FileChunk chunk = File("outputs/script", 0, "x", true);
  chunk.set_mode(07777);
  ASSERT_TRUE(run_->WriteFile(0, chunk).ok());
  struct stat found;
  ASSERT_EQ(stat(In("nodes/node0/outputs/script").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777u, 0755u);
  chunk.set_mode(0);
  ASSERT_TRUE(run_->WriteFile(0, chunk).ok());
  ASSERT_EQ(stat(In("nodes/node0/outputs/script").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777u, 0600u);
}

TEST_F(RunDirectoryTest, RefusesHostilePathsAndWritesNothing) {
  const auto before = Tree(base_.path());
  for (const std::string& path : HostilePaths()) {
    const absl::Status status = run_->WriteFile(0, File(path, 0, "evil", true));
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << path << ": " << status;
    EXPECT_LT(status.message().size(), 2000u);
  }
  EXPECT_EQ(Tree(base_.path()), before);
}

TEST_F(RunDirectoryTest, TakesTheLongestPathsThatAreAllowed) {
  std::string deep = "outputs";
  for (int i = 0; i < 63; ++i) deep += "/d";
  EXPECT_TRUE(run_->WriteFile(0, File(deep, 0, "x", true)).ok());
  const std::string name = "outputs/" + std::string(255, 'n');
  EXPECT_TRUE(run_->WriteFile(0, File(name, 0, "x", true)).ok());
  EXPECT_TRUE(
      run_->WriteFile(0, File("outputs/\xff\xfe\n", 0, "x", true)).ok());
  EXPECT_EQ(ReadFile(In("nodes/node0/outputs/\xff\xfe\n")), "x");
}

// Puts links where a node's files go; none is followed.
void TryLinks(const TempDir& base, RunDirectory& run) {
  namespace fs = std::filesystem;
  fs::create_directories(run.path() + "/nodes/node0/outputs");
  fs::create_directories(run.path() + "/logs");
  fs::create_symlink(base / "outside", run.path() + "/nodes/node0/outputs/dir");
  fs::create_symlink(base / "outside/secret",
                     run.path() + "/nodes/node0/outputs/file");
  fs::create_symlink(base / "outside/secret", run.path() + "/logs/0.stdout");
  fs::create_symlink(base / "outside/new", run.path() + "/logs/node0.agent");
  const auto before = Tree(base.path());
  for (const char* path : {"outputs/dir/secret", "outputs/dir/new",
                           "outputs/dir/a/b", "outputs/dir", "outputs/file"}) {
    const absl::Status status = run.WriteFile(0, File(path, 0, "evil", true));
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << path << ": " << status;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(run.Begin(Node(0, 0, 1, 1))));
  EXPECT_TRUE(absl::IsInvalidArgument(run.AppendAgentLog(0, "evil")));
  EXPECT_EQ(Tree(base.path()), before);
}

TEST_F(RunDirectoryTest, FollowsNoLink) { TryLinks(base_, *run_); }

void ForbidOpenat2() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  sock_fprog program = {std::size(code), code};
  ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
  ASSERT_EQ(syscall(SYS_openat2, 0, "", nullptr, 0), -1);
  ASSERT_EQ(errno, ENOSYS);
}

TEST_F(RunDirectoryTest, FollowsNoLinkWhereTheKernelLacksOpenat2) {
  EXPECT_EXIT(
      {
        ForbidOpenat2();
        EXPECT_TRUE(run_->WriteFile(1, File("logs/a", 0, "x", true)).ok());
        EXPECT_EQ(ReadFile(In("nodes/node1/logs/a")), "x");
        TryLinks(base_, *run_);
        _exit(testing::Test::HasFailure() ? 1 : 0);
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(RunDirectoryTest, SaysWhereAFileAndADirectoryClash) {
  ASSERT_TRUE(run_->WriteFile(0, File("outputs/a", 0, "x", true)).ok());
  ASSERT_TRUE(run_->WriteFile(0, File("outputs/d/b", 0, "x", true)).ok());
  const absl::Status below =
      run_->WriteFile(0, File("outputs/a/b", 0, "x", true));
  EXPECT_TRUE(absl::IsFailedPrecondition(below)) << below;
  const absl::Status over = run_->WriteFile(0, File("outputs/d", 0, "x", true));
  EXPECT_TRUE(absl::IsFailedPrecondition(over)) << over;
  EXPECT_THAT(std::string(over.message()), HasSubstr("nodes/node0/outputs/d"));
  EXPECT_EQ(ReadFile(In("nodes/node0/outputs/a")), "x");
  EXPECT_FALSE(HasPartFile(run_->path()));
}

TEST_F(RunDirectoryTest, ReplacesTheRunsOwnFilesWhole) {
  ASSERT_TRUE(run_->WriteWhole("report.json", "{}").ok());
  ASSERT_TRUE(run_->WriteWhole("report.json", "{\"a\":1}").ok());
  EXPECT_EQ(ReadFile(In("report.json")), "{\"a\":1}");
  EXPECT_TRUE(absl::IsInvalidArgument(run_->WriteWhole("../x", "")));
  EXPECT_EQ(Tree(run_->path()).size(), 1u);
}

TEST_F(RunDirectoryTest, AppendsToTheAgentsLog) {
  ASSERT_TRUE(run_->AppendAgentLog(12, "one\n").ok());
  ASSERT_TRUE(run_->AppendAgentLog(12, "two\n").ok());
  EXPECT_EQ(ReadFile(In("logs/node12.agent")), "one\ntwo\n");
}

TEST_F(RunDirectoryTest, SaysThatTheDiskIsFullAndWhere) {
  const std::string disk = base_ / "disk";
  std::filesystem::create_directory(disk);
  if (mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "needs the right to mount a tmpfs";
  }
  auto full = RunDirectory::Create(disk, "run");
  ASSERT_TRUE(full.ok()) << full.status();
  ASSERT_TRUE((*full)->Begin(Node(0, 0, 1, 1)).ok());
  const std::string chunk(64 * 1024, 'x');
  absl::Status status;
  uint64_t size = 0;
  while (status.ok() && size < 4 * 1024 * 1024) {
    status = (*full)->AppendLog(0, Log(0, false, size, chunk));
    if (status.ok()) size += chunk.size();
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(disk + "/run"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("logs/0.stdout"));
  const absl::Status file =
      (*full)->WriteFile(0, File("outputs/a", 0, chunk, true));
  EXPECT_TRUE(absl::IsResourceExhausted(file)) << file;
  (*full)->End(0);
  EXPECT_FALSE(HasPartFile(disk));
  full->reset();
  EXPECT_EQ(umount2(disk.c_str(), MNT_DETACH), 0);
}

TEST(RunDirectory, RefusesOtherRunIds) {
  TempDir base;
  for (const std::string& id :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"),
        std::string("a b"), std::string("a\0", 2), std::string("\xc3\xa9"),
        std::string(65, 'a')}) {
    EXPECT_TRUE(
        absl::IsInvalidArgument(RunDirectory::Create(base.path(), id).status()))
        << id;
  }
  EXPECT_TRUE(Tree(base.path()).empty());
  EXPECT_TRUE(RunDirectory::Create(base.path(), "A-z_0.9").ok());
}

TEST(RunDirectory, KeepsAnEarlierRunOfTheSameId) {
  TempDir base;
  ASSERT_TRUE(RunDirectory::Create(base / "a/b", "run").ok());
  const absl::Status again = RunDirectory::Create(base / "a/b", "run").status();
  EXPECT_TRUE(absl::IsAlreadyExists(again)) << again;
  EXPECT_THAT(std::string(again.message()), HasSubstr(base / "a/b/run"));
}

TEST(RunDirectory, NamesThePathThatCannotBeMade) {
  TempDir base;
  WriteFile(base / "file", "");
  const absl::Status made =
      RunDirectory::Create(base / "file/runs", "run").status();
  EXPECT_FALSE(made.ok());
  EXPECT_THAT(std::string(made.message()), HasSubstr(base / "file/runs"));
}

}  // namespace
}  // namespace muster::collector
