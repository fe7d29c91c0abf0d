// A spool on a disk that fails or is full.
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/launcher/streams/spool_fixture.h"

namespace muster::streams {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

namespace fs = std::filesystem;

constexpr StreamId kOut = {.kind = STREAM_STDOUT, .rank = 2};
constexpr StreamId kErr = {.kind = STREAM_STDERR, .rank = 2};

class SpoolDiskTest : public SpoolTest {};

// What a disk does that does not take bytes any more, as far as a test can
// bring it about: files of this process must not grow beyond a size.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(uint64_t bytes) {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now = {.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, SIG_DFL);
  }

 private:
  rlimit before_;
};

TEST_F(SpoolDiskTest, CountsWhatTheDiskDoesNotTakeAndGoesOnWhenItDoes) {
  Create();
  Append(kOut, "before");
  Append(kErr, "before");
  {
    const FileSizeLimit limit(50);
    EXPECT_EQ(Append(kOut, "lost one"), Appended::kLost);
    EXPECT_THAT(std::string(spool_->error().message()),
                HasSubstr("does not take what workers write"));
    EXPECT_TRUE(spool_->lossy());
    now_ += std::chrono::seconds(2);
    EXPECT_EQ(Append(kOut, ", lost two"), Appended::kLost);
  }
  // It is not tried again at once.
  EXPECT_EQ(Append(kOut, ", lost three"), Appended::kLost);
  EXPECT_EQ(spool_->lost_bytes(), 30u);
  now_ += std::chrono::seconds(2);
  EXPECT_EQ(Append(kOut, "after"), Appended::kYes);
  EXPECT_EQ(Append(kErr, "after"), Appended::kYes);
  EXPECT_TRUE(spool_->error().ok());
  EXPECT_FALSE(spool_->lossy());
  SendAll();
  EXPECT_EQ(Compare(written_[kOut], ledger_.Get(kOut)), "");
  EXPECT_THAT(ledger_.Get(kOut).gaps,
              testing::ElementsAre(Gap{6, 30, GAP_SPOOL_ERROR}));
  EXPECT_EQ(ledger_.Get(kErr).bytes, "beforeafter");
  EXPECT_THAT(ledger_.Get(kErr).gaps, IsEmpty());
}

TEST_F(SpoolDiskTest, SettlesAtTheEndWhatTheDiskNeverTook) {
  Create();
  Append(kOut, "before");
  const FileSizeLimit limit(50);
  EXPECT_EQ(Append(kOut, "lost"), Appended::kLost);
  EXPECT_EQ(End(kOut), Appended::kLost);
  SendAll();
  sender_->Settle(spool_->States());
  EXPECT_EQ(Compare(written_[kOut], ledger_.Get(kOut)), "");
  EXPECT_THAT(ledger_.Get(kOut).gaps,
              testing::ElementsAre(Gap{6, 4, GAP_SPOOL_ERROR}));
  EXPECT_EQ(ledger_.Get(kOut).how, STREAM_END_CLOSED);
}

// Runs `test` in a child with a small disk of its own at `directory`; what it
// returns, or -1 where that is not allowed.
template <typename Test>
int OnSmallDisk(const std::string& directory, const char* size, Test test) {
  fs::create_directory(directory);
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("tmpfs", directory.c_str(), "tmpfs", 0, size) != 0) {
      _exit(100);
    }
    test();
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status)) return 2;
  return WEXITSTATUS(status) == 100 ? -1 : WEXITSTATUS(status);
}

TEST_F(SpoolDiskTest, DropsTheOldestOnAFullDisk) {
  const int result = OnSmallDisk(base_ / "spools", "size=4m,mode=700", [&] {
    Create();
    for (int i = 0; i < 60; ++i) {
      EXPECT_EQ(Append(kOut, Noise(200'000, i)), Appended::kYes) << i;
    }
    End(kOut);
    SendAll();
    const Stored stored = ledger_.Get(kOut);
    EXPECT_EQ(Compare(written_[kOut], stored), "");
    EXPECT_THAT(stored.gaps, SizeIs(1));
    EXPECT_GT(stored.bytes.size(), 2u << 20);
    EXPECT_EQ(stored.how, STREAM_END_CLOSED);
  });
  if (result == -1) GTEST_SKIP() << "needs the right to mount a tmpfs";
  EXPECT_EQ(result, 0);
}

TEST_F(SpoolDiskTest, WaitsOnAFullDiskWhereItMustNotDrop) {
  const int result = OnSmallDisk(base_ / "spools", "size=2m,mode=700", [&] {
    Create({.full = SpoolFull::kBlock});
    int taken = 0;
    while (Append(kOut, Noise(200'000, taken)) == Appended::kYes) ++taken;
    EXPECT_GT(taken, 5);
    SendAll();
    EXPECT_EQ(Append(kOut, Noise(200'000, taken)), Appended::kYes);
    SendAll();
    EXPECT_EQ(Compare(written_[kOut], ledger_.Get(kOut)), "");
    EXPECT_THAT(ledger_.Get(kOut).gaps, IsEmpty());
  });
  if (result == -1) GTEST_SKIP() << "needs the right to mount a tmpfs";
  EXPECT_EQ(result, 0);
}

TEST_F(SpoolDiskTest, SaysSoWhereADiskIsFullFromTheStart) {
  const int result = OnSmallDisk(base_ / "spools", "size=64k,mode=700", [&] {
    collector::WriteFile(base_ / "spools/hog", std::string(100'000, 'x'));
    const auto spool = Spool::Create({.base = base_ / "spools"}, Manifest());
    EXPECT_THAT(spool.status().ToString(), HasSubstr("No space left"));
    EXPECT_THAT(spool.status().ToString(), HasSubstr("--spool-dir"));
  });
  if (result == -1) GTEST_SKIP() << "needs the right to mount a tmpfs";
  EXPECT_EQ(result, 0);
}

}  // namespace
}  // namespace muster::streams
