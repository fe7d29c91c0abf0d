// A process outside of the job that holds a worker's output when everything
// else is over.
#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"
#include "tests/support/muster.h"
#include "tests/support/subprocess.h"

namespace muster::test {
namespace {

using ::testing::HasSubstr;

// A worker that says its pid and ends when told; meanwhile the test takes hold
// of its standard output.
class LateWriter : public ::testing::Test {
 protected:
  void SetUp() override {
    muster_ = std::make_unique<Subprocess>(
        Command{.argv = MusterArgv("run", {},
                                   Shell("echo pid $$ is here; "
                                         "while [ ! -e go ]; do :; done")),
                .cwd = directory_.path()});
    ASSERT_TRUE(muster_->WaitForOutput("is here")) << muster_->Text();
    const std::string out = muster_->Out();
    const size_t at = out.find("pid ") + 4;
    pipe_ = open(
        absl::StrCat("/proc/", out.substr(at, out.find(' ', at) - at), "/fd/1")
            .c_str(),
        O_WRONLY | O_CLOEXEC);
    ASSERT_GE(pipe_, 0) << muster_->Text();
    WriteFile(absl::StrCat(directory_.path(), "/go"), "");
    ASSERT_TRUE(muster_->WaitForOutput(
        "a process outside of the job holds the output of rank 0"))
        << muster_->Text();
  }
  void TearDown() override { LetGo(); }
  void LetGo() {
    if (pipe_ >= 0) close(pipe_);
    pipe_ = -1;
  }

  const TempDir directory_;
  std::unique_ptr<Subprocess> muster_;
  int pipe_ = -1;
};

TEST_F(LateWriter, IsHeardUntilItLetsGo) {
  ASSERT_EQ(write(pipe_, "late\n", 5), 5);
  LetGo();
  ASSERT_EQ(muster_->Wait(), Code(0)) << muster_->Text();
  EXPECT_THAT(
      ReadFile(absl::StrCat(RunDirectory(directory_.path()), "/logs/0.stdout")),
      HasSubstr("is here\nlate\n"));
}

TEST_F(LateWriter, ThatNeverLetsGoDoesNotHoldTheJob) {
  ASSERT_EQ(write(pipe_, "late\n", 5), 5);
  ASSERT_EQ(muster_->Wait(), Code(0)) << muster_->Text();
  EXPECT_THAT(
      ReadFile(absl::StrCat(RunDirectory(directory_.path()), "/logs/0.stdout")),
      HasSubstr("is here\nlate\n"));
}

}  // namespace
}  // namespace muster::test
