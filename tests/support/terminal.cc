#include "tests/support/terminal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>

namespace muster::test {
namespace {

void Must(bool well, const char* what) {
  if (well) return;
  perror(what);
  abort();
}

}  // namespace

Terminal::Terminal()
    : fd_(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) {
  Must(fd_ >= 0 && grantpt(fd_) == 0 && unlockpt(fd_) == 0, "a terminal");
  char name[64];
  Must(ptsname_r(fd_, name, sizeof name) == 0, "a terminal's name");
  path_ = name;
  other_end_ = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  Must(other_end_ >= 0, name);
}

Terminal::~Terminal() {
  close(other_end_);
  close(fd_);
}

const std::string& Terminal::Text() {
  char bytes[4096];
  for (ssize_t got; (got = read(fd_, bytes, sizeof bytes)) > 0;) {
    text_.append(bytes, static_cast<size_t>(got));
  }
  return text_;
}

}  // namespace muster::test
