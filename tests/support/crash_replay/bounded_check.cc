#include "tests/support/crash_replay/bounded_check.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace muster::test {
namespace {

[[noreturn]] void Die(const char* call) {
  std::perror(call);
  std::abort();
}

[[noreturn]] void RunChild(const std::function<std::string()>& check, int out) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const std::string problem = check();
  size_t done = 0;
  while (done < problem.size()) {
    const ssize_t put =
        write(out, problem.data() + done, problem.size() - done);
    if (put < 0) _exit(1);
    done += static_cast<size_t>(put);
  }
  _exit(0);
}

// What the pipe holds until its end; false when that does not come in time.
bool ReadAll(int fd, absl::Time end, std::string* text) {
  for (;;) {
    pollfd one = {fd, POLLIN, 0};
    const int left =
        static_cast<int>(absl::ToInt64Milliseconds(end - absl::Now()));
    if (left <= 0) return false;
    if (poll(&one, 1, left) <= 0) continue;
    char buffer[4096];
    const ssize_t size = read(fd, buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return true;
    text->append(buffer, static_cast<size_t>(size));
  }
}

}  // namespace

std::string RunBounded(const std::function<std::string()>& check,
                       absl::Duration deadline) {
  int out[2];
  if (pipe2(out, O_CLOEXEC) != 0) Die("pipe2");
  const pid_t child = fork();
  if (child < 0) Die("fork");
  if (child == 0) RunChild(check, out[1]);
  close(out[1]);
  std::string problem;
  const bool is_over = ReadAll(out[0], absl::Now() + deadline, &problem);
  close(out[0]);
  if (!is_over) kill(child, SIGKILL);
  int status = 0;
  if (waitpid(child, &status, 0) != child) Die("waitpid");
  if (!is_over) {
    return absl::StrCat("not over within ", absl::FormatDuration(deadline));
  }
  if (WIFSIGNALED(status)) {
    return absl::StrCat("died of signal ", WTERMSIG(status), " ", problem);
  }
  if (WEXITSTATUS(status) != 0) {
    return absl::StrCat("ended with ", WEXITSTATUS(status), " ", problem);
  }
  return problem;
}

}  // namespace muster::test
