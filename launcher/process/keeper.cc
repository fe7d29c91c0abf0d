#include "launcher/process/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "launcher/process/keeper_loop.h"

namespace muster::process {
namespace {

constexpr int kSocketFd = 3;

// Every signal but those that report a fault of the program itself.
sigset_t BlockedSignals() {
  sigset_t signals;
  sigfillset(&signals);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) {
    sigdelset(&signals, fault);
  }
  return signals;
}

// Leaves open: /dev/null as 0 and 1, stderr as 2, the socket as kSocketFd.
bool ArrangeDescriptors(int socket) {
  if (socket != kSocketFd && dup2(socket, kSocketFd) < 0) return false;
  fcntl(kSocketFd, F_SETFD, FD_CLOEXEC);
  closefrom(kSocketFd + 1);
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.valid()) return false;
  if (dup2(null.get(), STDIN_FILENO) < 0) return false;
  if (dup2(null.get(), STDOUT_FILENO) < 0) return false;
  if (fcntl(STDERR_FILENO, F_GETFD) >= 0) return true;
  return dup2(null.get(), STDERR_FILENO) >= 0;
}

// The keeper's whole life. Returns its exit code.
int KeeperMain(int socket) {
  prctl(PR_SET_NAME, "muster-keeper");
  setsid();
  // An inherited SIG_IGN would make the kernel reap, and lose the statuses.
  signal(SIGCHLD, SIG_DFL);
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || !ArrangeDescriptors(socket)) {
    LastWords(absl::StrCat("cannot start: ", strerror(errno)));
    return 1;
  }
  const sigset_t signals = BlockedSignals();
  UniqueFd signal_fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signal_fd.valid()) {
    LastWords(absl::StrCat("cannot receive signals: ", strerror(errno)));
    return 1;
  }
  KeeperLoop(UniqueFd(kSocketFd), std::move(signal_fd)).Run();
  return 0;
}

}  // namespace

absl::StatusOr<KeeperHandle> Keeper::Fork() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot make the keeper's socket: ", strerror(errno),
                     "; raise the limit of open files (ulimit -n)"));
  }
  UniqueFd agent_end(ends[0]);
  const UniqueFd keeper_end(ends[1]);
  // Blocked over the fork, so that no signal meets a half-made keeper.
  const sigset_t blocked = BlockedSignals();
  sigset_t before;
  sigprocmask(SIG_SETMASK, &blocked, &before);
  const pid_t pid = fork();
  const int error = errno;
  if (pid == 0) {
    agent_end.Reset();
    _exit(KeeperMain(keeper_end.get()));
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "cannot fork the keeper: ", strerror(error),
        "; raise the limit of processes (ulimit -u, pids.max of the cgroup)"));
  }
  return KeeperHandle{pid, std::move(agent_end)};
}

}  // namespace muster::process
