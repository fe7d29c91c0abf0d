#include "tests/support/crash_replay/tracee.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"

namespace muster::test {
namespace {

constexpr int kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP |
                         PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                         PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
                         PTRACE_O_EXITKILL;

// Stops at these numbers; all else runs at full speed.
std::vector<sock_filter> FilterFor(const std::vector<uint64_t>& numbers) {
  std::vector<sock_filter> filter = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const uint64_t number : numbers) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                              static_cast<uint32_t>(number), 0, 1));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  return filter;
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& string : strings) {
    pointers.push_back(const_cast<char*>(string.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

class Tracer {
 public:
  explicit Tracer(CallObserver* observer) : observer_(*observer) {}

  absl::Status Run(const TraceeCommand& command,
                   const std::vector<uint64_t>& numbers, int* wait_status) {
    absl::Status status = Start(command, numbers);
    if (!status.ok()) return status;
    for (;;) {
      int state = 0;
      // Only what this thread has forked or traces.
      const pid_t thread = waitpid(-1, &state, __WALL | __WNOTHREAD);
      if (thread < 0 && errno == EINTR) continue;
      if (thread < 0) break;  // all have ended
      if (WIFSTOPPED(state)) {
        OnStop(thread, state);
      } else {
        if (thread == command_) *wait_status = state;
        Forget(thread);
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Start(const TraceeCommand& command,
                     const std::vector<uint64_t>& numbers) {
    std::vector<sock_filter> filter = FilterFor(numbers);
    const sock_fprog program = {
        .len = static_cast<unsigned short>(filter.size()),
        .filter = filter.data()};
    const std::vector<char*> argv = Pointers(command.argv);
    const std::vector<char*> env = Pointers(command.environment);
    int go[2];
    if (pipe2(go, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe2");
    command_ = fork();
    if (command_ == 0) {
      char byte = 0;
      const bool is_traced = read(go[0], &byte, 1) == 1;
      if (!is_traced || dup2(command.out, 1) < 0 || dup2(command.err, 2) < 0 ||
          prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
          prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        _exit(125);
      }
      execvpe(argv[0], argv.data(), env.data());
      _exit(127);
    }
    const int fork_error = errno;
    absl::Status status;
    if (command_ < 0) {
      status = absl::ErrnoToStatus(fork_error, "fork");
    } else if (ptrace(PTRACE_SEIZE, command_, 0, kOptions) != 0) {
      status = absl::ErrnoToStatus(errno, "ptrace");
      kill(command_, SIGKILL);
      waitpid(command_, nullptr, 0);
    } else if (write(go[1], "x", 1) != 1) {
      status = absl::ErrnoToStatus(errno, "write");
    }
    close(go[0]);
    close(go[1]);
    return status;
  }

  static void Resume(pid_t thread, int request = PTRACE_CONT, int signal = 0) {
    // Fails when the thread was killed meanwhile; its end is told by waitpid.
    ptrace(static_cast<__ptrace_request>(request), thread, 0, signal);
  }

  void OnStop(pid_t thread, int state) {
    const int signal = WSTOPSIG(state);
    const int event = state >> 16;
    if (event == PTRACE_EVENT_SECCOMP) {
      OnCall(thread);
    } else if (signal == (SIGTRAP | 0x80)) {
      OnReturn(thread);
    } else if (event == PTRACE_EVENT_EXEC) {
      Resume(thread);
    } else if (event == PTRACE_EVENT_STOP) {
      // A new thread, or a stop of the whole process, which it stays in.
      Resume(thread, signal == SIGTRAP ? PTRACE_CONT : PTRACE_LISTEN);
    } else if (event != 0) {
      Resume(thread);
    } else {
      Resume(thread, PTRACE_CONT, signal);
    }
  }

  void OnCall(pid_t thread) {
    __ptrace_syscall_info info = {};
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info), &info) <= 0 ||
        info.op != PTRACE_SYSCALL_INFO_SECCOMP) {
      Resume(thread);
      return;
    }
    SystemCall call = {.thread = thread, .number = info.seccomp.nr};
    std::copy_n(info.seccomp.args, call.arguments.size(),
                call.arguments.begin());
    switch (observer_.Judge(call)) {
      case CallObserver::Wish::kIgnore:
        Resume(thread);
        break;
      case CallObserver::Wish::kWatch:
        Begin(call);
        break;
      case CallObserver::Wish::kWatchAlone:
        waiting_.push_back(call);
        StartNext();
        break;
    }
  }

  void Begin(const SystemCall& call) {
    observer_.OnStart(call);
    running_[call.thread] = call;
    Resume(call.thread, PTRACE_SYSCALL);
  }

  void StartNext() {
    if (alone_.has_value() || waiting_.empty()) return;
    const SystemCall call = waiting_.front();
    waiting_.pop_front();
    alone_ = call.thread;
    Begin(call);
  }

  void OnReturn(pid_t thread) {
    __ptrace_syscall_info info = {};
    const auto found = running_.find(thread);
    if (found != running_.end() &&
        ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info), &info) > 0 &&
        info.op == PTRACE_SYSCALL_INFO_EXIT) {
      observer_.OnReturn(found->second, info.exit.rval);
      running_.erase(found);
    }
    Resume(thread);
    if (alone_ == thread) alone_.reset();
    StartNext();
  }

  void Forget(pid_t thread) {
    const auto found = running_.find(thread);
    if (found != running_.end()) {
      observer_.OnAbandon(found->second);
      running_.erase(found);
    }
    waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(),
                                  [&](const SystemCall& call) {
                                    return call.thread == thread;
                                  }),
                   waiting_.end());
    if (alone_ == thread) alone_.reset();
    StartNext();
  }

  CallObserver& observer_;
  pid_t command_ = -1;
  std::map<pid_t, SystemCall> running_;
  std::deque<SystemCall> waiting_;  // of kWatchAlone, in the order they came
  std::optional<pid_t> alone_;      // whose call of kWatchAlone runs
};

}  // namespace

absl::Status TraceCalls(const TraceeCommand& command,
                        const std::vector<uint64_t>& numbers,
                        CallObserver* observer, int* wait_status) {
  // What a thread traces is its own children, so that those of the test stay
  // the test's.
  absl::Status status;
  std::thread thread(
      [&] { status = Tracer(observer).Run(command, numbers, wait_status); });
  thread.join();
  return status;
}

std::string ReadMemory(pid_t thread, uint64_t address, size_t size) {
  std::string bytes(size, '\0');
  const iovec local = {.iov_base = bytes.data(), .iov_len = size};
  const iovec remote = {.iov_base = reinterpret_cast<void*>(address),
                        .iov_len = size};
  const ssize_t got = process_vm_readv(thread, &local, 1, &remote, 1, 0);
  bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return bytes;
}

std::string ReadText(pid_t thread, uint64_t address) {
  constexpr uint64_t kPage = 4096;
  std::string text;
  while (text.size() < kPage) {
    // Page by page, since the next one may not be there.
    const std::string part =
        ReadMemory(thread, address, kPage - address % kPage);
    const size_t end = part.find('\0');
    text += part.substr(0, end);
    if (end != part.npos || part.empty()) break;
    address += part.size();
  }
  return text;
}

}  // namespace muster::test
