// A real child program of a test.
#ifndef MUSTER_TESTS_SUPPORT_SUBPROCESS_H_
#define MUSTER_TESTS_SUPPORT_SUBPROCESS_H_

#include <sys/types.h>

#include <map>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/support/eventually.h"
#include "tests/support/processes.h"

namespace muster::test {

// How a process ended, or that it has not. Compare with Code(), Killed() and
// kRunning.
struct ExitStatus {
  enum class Kind { kRunning, kCode, kSignal };
  Kind kind = Kind::kRunning;
  int value = 0;
  bool operator==(const ExitStatus&) const = default;
};
inline constexpr ExitStatus kRunning = {};
constexpr ExitStatus Code(int code) { return {ExitStatus::Kind::kCode, code}; }
constexpr ExitStatus Killed(int signal) {
  return {ExitStatus::Kind::kSignal, signal};
}
std::ostream& operator<<(std::ostream& out, const ExitStatus& status);

struct Command {
  std::vector<std::string> argv;  // argv[0] is looked up in PATH
  // On top of PATH, HOME, TMPDIR, LD_LIBRARY_PATH, LANG and the sanitizers'
  // options of the test, and a MUSTER_SPOOL_DIR of the command's own, since the
  // default is one for the whole machine; nothing else of the test's
  // environment is passed on.
  std::map<std::string, std::string> env;
  std::string cwd;  // "" for the test's own
};

// Runs a command in a process group of its own with stdin from /dev/null and
// collects what it writes. Starts in the constructor; the destructor kills the
// whole family, also what moved to other groups or sessions, and so does the
// end of the test program for the command itself. Methods may be called from
// any thread; one thread of the object reads the pipes and reaps.
class Subprocess {
 public:
  explicit Subprocess(Command command);
  ~Subprocess();
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  pid_t pid() const { return pid_; }
  std::string Out() const;   // standard output so far
  std::string Err() const;   // standard error so far
  std::string Text() const;  // both in a form for failure messages

  // Whether `text` appeared on stdout or stderr before the deadline. Gives up
  // early when the command has ended without it.
  bool WaitForOutput(const std::string& text, absl::Duration deadline = kSoon);

  // kRunning when the deadline passed. After any other answer Out() and Err()
  // are complete but for what survivors of the command may still write.
  ExitStatus Wait(absl::Duration deadline = kSoon);
  absl::Duration Age() const;  // from start to the end, or to now

  void Signal(int signal);       // to the command alone
  void SignalGroup(int signal);  // to its process group, as a terminal does

  // Live processes that descend from the command, itself included.
  std::vector<Process> Family() const;
  // The first of them with that name (comm) or with that argument. Waits for it
  // to appear; pid 0 when it does not.
  Process FindInFamily(const std::string& name) const;

 private:
  void Start(const Command& command);
  void ReadUntilTheEnd();
  // Appends what can be read now; closes and forgets `fd` at its end.
  void Drain(int* fd, std::string* sink) ABSL_LOCKS_EXCLUDED(mutex_);

  // Constant after construction.
  std::string mark_;  // NAME=VALUE that the family carries
  pid_t pid_ = 0;
  int pidfd_ = -1;
  int stop_fd_ = -1;
  absl::Time started_;

  // Reader thread only.
  int out_fd_ = -1;
  int err_fd_ = -1;

  mutable absl::Mutex mutex_;
  std::string out_ ABSL_GUARDED_BY(mutex_);
  std::string err_ ABSL_GUARDED_BY(mutex_);
  ExitStatus status_ ABSL_GUARDED_BY(mutex_);
  absl::Time ended_ ABSL_GUARDED_BY(mutex_);

  std::thread reader_;
};

// Runs to the end and returns standard output; aborts with all output when the
// command does not end with 0. For steps that prepare a test.
std::string MustRun(Command command);

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_SUBPROCESS_H_
