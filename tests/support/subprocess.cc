#include "tests/support/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/support/exec_words.h"
#include "tests/support/files.h"

namespace muster::test {
namespace {

constexpr char kMarkName[] = "TEST_FAMILY";

[[noreturn]] void Die(const char* call) {
  std::perror(call);
  std::abort();
}

// Where agents of that number keep their spools; gone with the test program.
// Any user may make one, as in /var/tmp.
std::string SpoolDirectory(int number) {
  static const TempDir root;
  static const bool is_open = chmod(root.path().c_str(), 01777) == 0;
  if (!is_open) Die("chmod");
  return root.File(absl::StrCat(number));
}

// Between fork and exec: async-signal-safe calls only.
[[noreturn]] void RunChild(const char* cwd, char** argv, char** env, int out,
                           int err) {
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0 ||
      (cwd != nullptr && chdir(cwd) != 0)) {
    _exit(125);
  }
  execvpe(argv[0], argv, env);
  constexpr char kMessage[] = "the test cannot execute its command\n";
  if (write(2, kMessage, sizeof(kMessage) - 1) < 0) _exit(126);
  _exit(127);
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const ExitStatus& status) {
  switch (status.kind) {
    case ExitStatus::Kind::kRunning:
      return out << "still running";
    case ExitStatus::Kind::kCode:
      return out << "exit code " << status.value;
    case ExitStatus::Kind::kSignal:
      return out << "killed by signal " << status.value;
  }
  return out;
}

Subprocess::Subprocess(Command command) : started_(absl::Now()) {
  static std::atomic<int> count{0};
  const int number = ++count;
  const std::string value = absl::StrCat(getpid(), ".", number);
  command.env[kMarkName] = value;
  command.env.emplace("MUSTER_SPOOL_DIR", SpoolDirectory(number));
  mark_ = absl::StrCat(kMarkName, "=", value);
  Start(command);
  reader_ = std::thread([this] { ReadUntilTheEnd(); });
}

Subprocess::~Subprocess() {
  {
    // Before its exec the child does not carry the mark yet.
    absl::MutexLock lock(&mutex_);
    if (status_ == kRunning) kill(pid_, SIGKILL);
  }
  KillAllWithEnv(mark_);
  const uint64_t one = 1;
  if (write(stop_fd_, &one, sizeof(one)) < 0) Die("write");
  reader_.join();
  close(stop_fd_);
  close(pidfd_);
}

void Subprocess::Start(const Command& command) {
  std::vector<std::string> arguments = command.argv;
  std::vector<std::string> variables = EnvironmentOf(command.env);
  const std::vector<char*> argv = Pointers(arguments);
  const std::vector<char*> env = Pointers(variables);
  const char* cwd = command.cwd.empty() ? nullptr : command.cwd.c_str();
  int out[2];
  int err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) Die("pipe2");
  pid_ = fork();
  if (pid_ < 0) Die("fork");
  if (pid_ == 0) {
    RunChild(cwd, const_cast<char**>(argv.data()),
             const_cast<char**>(env.data()), out[1], err[1]);
  }
  setpgid(pid_, pid_);  // here too, or SignalGroup() could come too early
  close(out[1]);
  close(err[1]);
  out_fd_ = out[0];
  err_fd_ = err[0];
  fcntl(out_fd_, F_SETFL, O_NONBLOCK);
  fcntl(err_fd_, F_SETFL, O_NONBLOCK);
  pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  stop_fd_ = eventfd(0, EFD_CLOEXEC);
  if (pidfd_ < 0 || stop_fd_ < 0) Die("pidfd_open or eventfd");
}

void Subprocess::Drain(int* fd, std::string* sink) {
  char buffer[65536];
  for (;;) {
    const ssize_t size = read(*fd, buffer, sizeof(buffer));
    if (size > 0) {
      absl::MutexLock lock(&mutex_);
      sink->append(buffer, static_cast<size_t>(size));
      continue;
    }
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return;
    close(*fd);
    *fd = -1;  // poll() ignores it from now on
    return;
  }
}

void Subprocess::ReadUntilTheEnd() {
  int watched = pidfd_;
  for (;;) {
    pollfd fds[] = {{out_fd_, POLLIN, 0},
                    {err_fd_, POLLIN, 0},
                    {watched, POLLIN, 0},
                    {stop_fd_, POLLIN, 0}};
    if (poll(fds, 4, -1) < 0 && errno != EINTR) Die("poll");
    if (out_fd_ >= 0) Drain(&out_fd_, &out_);
    if (err_fd_ >= 0) Drain(&err_fd_, &err_);
    if (fds[2].revents != 0) {
      // What was written before the end is in the pipes by now.
      if (out_fd_ >= 0) Drain(&out_fd_, &out_);
      if (err_fd_ >= 0) Drain(&err_fd_, &err_);
      int status = 0;
      if (waitpid(pid_, &status, 0) != pid_) Die("waitpid");
      watched = -1;
      absl::MutexLock lock(&mutex_);
      status_ = WIFEXITED(status) ? Code(WEXITSTATUS(status))
                                  : Killed(WTERMSIG(status));
      ended_ = absl::Now();
    }
    if (watched < 0 && fds[3].revents != 0) break;
  }
  if (out_fd_ >= 0) close(out_fd_);
  if (err_fd_ >= 0) close(err_fd_);
}

std::string Subprocess::Out() const {
  absl::MutexLock lock(&mutex_);
  return out_;
}

std::string Subprocess::Err() const {
  absl::MutexLock lock(&mutex_);
  return err_;
}

std::string Subprocess::Text() const {
  absl::MutexLock lock(&mutex_);
  return absl::StrCat("\n---- stdout:\n", out_, "\n---- stderr:\n", err_,
                      "\n----\n");
}

bool Subprocess::WaitForOutput(const std::string& text,
                               absl::Duration deadline) {
  const auto found = [&] {
    mutex_.AssertReaderHeld();
    return absl::StrContains(out_, text) || absl::StrContains(err_, text);
  };
  const auto settled = [&] {
    mutex_.AssertReaderHeld();
    return found() || status_ != kRunning;
  };
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&settled), deadline);
  return found();
}

ExitStatus Subprocess::Wait(absl::Duration deadline) {
  const auto ended = [&] {
    mutex_.AssertReaderHeld();
    return status_ != kRunning;
  };
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&ended), deadline);
  return status_;
}

absl::Duration Subprocess::Age() const {
  absl::MutexLock lock(&mutex_);
  return (status_ == kRunning ? absl::Now() : ended_) - started_;
}

void Subprocess::Signal(int signal) { kill(pid_, signal); }

void Subprocess::SignalGroup(int signal) { kill(-pid_, signal); }

std::vector<Process> Subprocess::Family() const {
  return ProcessesWithEnv(mark_);
}

Process Subprocess::FindInFamily(const std::string& name) const {
  Process found;
  Eventually([&] {
    for (const Process& process : Family()) {
      bool matches = process.name == name;
      for (const std::string& argument : process.command) {
        matches = matches || argument == name;
      }
      if (matches) {
        found = process;
        return true;
      }
    }
    return false;
  });
  return found;
}

std::string MustRun(Command command) {
  const std::string what = absl::StrCat("running ", command.argv[0]);
  Subprocess process(std::move(command));
  if (process.Wait() != Code(0)) {
    std::fprintf(stderr, "%s:%s", what.c_str(), process.Text().c_str());
    std::abort();
  }
  return process.Out();
}

}  // namespace muster::test
