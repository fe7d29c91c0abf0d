#ifndef MUSTER_LAUNCHER_PROCESS_EXIT_STATUS_H_
#define MUSTER_LAUNCHER_PROCESS_EXIT_STATUS_H_

#include <csignal>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"

namespace muster::process {

// "SIGKILL", "SIGRTMIN+2", or "signal 77" for a number that has no name.
inline std::string SignalName(int signo) {
  if (const char* name = sigabbrev_np(signo)) return absl::StrCat("SIG", name);
  if (signo >= SIGRTMIN && signo <= SIGRTMAX) {
    return absl::StrCat("SIGRTMIN+", signo - SIGRTMIN);
  }
  return absl::StrCat("signal ", signo);
}

// How a process ended: with a code of its own, or by a signal. A value.
class ExitStatus {
 public:
  static ExitStatus Exited(int code) { return ExitStatus(false, code); }
  static ExitStatus Signaled(int signo) { return ExitStatus(true, signo); }

  // `info` is what waitid(WEXITED) filled in.
  static ExitStatus FromSiginfo(const siginfo_t& info) {
    return ExitStatus(info.si_code != CLD_EXITED, info.si_status);
  }

  bool success() const { return !signaled_ && value_ == 0; }
  bool signaled() const { return signaled_; }

  // The exit code; 0 when signaled().
  int code() const { return signaled_ ? 0 : value_; }
  // The signal; 0 when not signaled().
  int signal() const { return signaled_ ? value_ : 0; }
  // What a shell would make of it: the code, or 128 + the signal.
  int ShellCode() const { return signaled_ ? 128 + value_ : value_; }

  // "exit code 3" or "killed by SIGKILL".
  std::string ToString() const {
    if (signaled_) return absl::StrCat("killed by ", SignalName(value_));
    return absl::StrCat("exit code ", value_);
  }

  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;

 private:
  ExitStatus(bool signaled, int value) : signaled_(signaled), value_(value) {}

  bool signaled_;
  int value_;
};

// Writes `status` into a message that has either an exit_code or a signal.
template <typename Message>
void SetEnd(const ExitStatus& status, Message* message) {
  if (status.signaled()) {
    message->set_signal(status.signal());
  } else {
    message->set_exit_code(status.code());
  }
}

}  // namespace muster::process

#endif  // MUSTER_LAUNCHER_PROCESS_EXIT_STATUS_H_
