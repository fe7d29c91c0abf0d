// ptrace, as far as recording needs it: stops at chosen system calls of a
// program and of all that it starts.
#ifndef MUSTER_TESTS_SUPPORT_CRASH_REPLAY_TRACEE_H_
#define MUSTER_TESTS_SUPPORT_CRASH_REPLAY_TRACEE_H_

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace muster::test {

struct SystemCall {
  pid_t thread = 0;
  uint64_t number = 0;  // SYS_*
  std::array<uint64_t, 6> arguments = {};

  int FdArgument(size_t index) const {
    return static_cast<int>(arguments[index]);
  }
};

// Decides about calls. All methods are called on the tracing thread; the thread
// that makes the call stands still meanwhile.
class CallObserver {
 public:
  enum class Wish {
    kIgnore,      // let it run; OnReturn() is not called
    kWatch,       // let it run, beside others
    kWatchAlone,  // let it run when no other call of this wish runs
  };
  virtual ~CallObserver() = default;
  // What to do with a call, which has not begun; for kWatchAlone, asked before
  // its turn has come.
  virtual Wish Judge(const SystemCall& call) = 0;
  // The call begins.
  virtual void OnStart(const SystemCall& call) = 0;
  // It is over; `result` is negative for an error. Never called when the thread
  // died in it.
  virtual void OnReturn(const SystemCall& call, int64_t result) = 0;
  // The thread died while the call was watched.
  virtual void OnAbandon(const SystemCall& call) = 0;
};

struct TraceeCommand {
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // whole
  int out = -1;                          // what becomes 1 and 2
  int err = -1;
};

// Runs the command to its end, and to that of all it started, and shows those
// of its calls to `observer` whose numbers are among `numbers`. `wait_status`
// becomes the command's own.
absl::Status TraceCalls(const TraceeCommand& command,
                        const std::vector<uint64_t>& numbers,
                        CallObserver* observer, int* wait_status);

// Memory of a thread that stands still; shorter where it can't be read.
std::string ReadMemory(pid_t thread, uint64_t address, size_t size);
// Up to a NUL, at most 4096 bytes.
std::string ReadText(pid_t thread, uint64_t address);

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_CRASH_REPLAY_TRACEE_H_
