#include "launcher/terminal/status_line.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "gtest/gtest.h"
#include "tests/support/files.h"
#include "tests/support/terminal.h"

namespace muster::terminal {
namespace {

// Standard error is that file as long as this lives.
class RedirectedError {
 public:
  explicit RedirectedError(const std::string& path)
      : before_(dup(STDERR_FILENO)) {
    const int fd = open(path.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC);
    dup2(fd, STDERR_FILENO);
    close(fd);
  }
  ~RedirectedError() {
    dup2(before_, STDERR_FILENO);
    close(before_);
  }
  RedirectedError(const RedirectedError&) = delete;
  RedirectedError& operator=(const RedirectedError&) = delete;

 private:
  const int before_;
};

TEST(StatusLine, IsRedrawnInPlaceAndMakesRoom) {
  test::Terminal terminal;
  {
    const RedirectedError on(terminal.path());
    StatusLine line;
    EXPECT_TRUE(line.is_on());
    EraseStatusLine();  // there is none
    line.Show("one");
    line.Show("two");
    EraseStatusLine();
    EraseStatusLine();
    line.Show("three");
  }
  EXPECT_EQ(terminal.Text(),
            "\rone\x1b[K\rtwo\x1b[K\r\x1b[K\rthree\x1b[K\r\x1b[K");
}

TEST(StatusLine, IsNotShownInAFile) {
  const test::TempDir directory;
  const std::string path = directory.File("err");
  test::WriteFile(path, "");
  {
    const RedirectedError on(path);
    StatusLine line;
    EXPECT_FALSE(line.is_on());
    line.Show("one");
    line.Clear();
  }
  EXPECT_EQ(test::ReadFile(path), "");
}

}  // namespace
}  // namespace muster::terminal
