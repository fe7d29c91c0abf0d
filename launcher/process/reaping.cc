#include "launcher/process/reaping.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/process/unique_fd.h"

namespace muster::process {

void ReapStrays(pid_t keeper) {
  while (true) {
    siginfo_t info = {};
    // Looked at first and left in place, so that the keeper is not reaped.
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return;
    if (info.si_pid == 0 || info.si_pid == keeper) return;
    waitid(P_PID, static_cast<id_t>(info.si_pid), &info, WEXITED | WNOHANG);
  }
}

bool AwaitKeeper(pid_t keeper, absl::Duration limit) {
  const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, keeper, 0)));
  if (pidfd.valid()) {
    pollfd end = {pidfd.get(), POLLIN, 0};
    if (poll(&end, 1, static_cast<int>(absl::ToInt64Milliseconds(limit))) ==
        0) {
      return false;
    }
  }
  siginfo_t info = {};
  waitid(P_PID, static_cast<id_t>(keeper), &info, WEXITED | WNOHANG);
  return true;
}

}  // namespace muster::process
