#include "launcher/process/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace muster::process {
namespace {

// What execvp takes when there is no PATH.
constexpr char kDefaultPath[] = "/bin:/usr/bin";

// What the child writes when it cannot become the program. Small enough for
// the pipe to take it whole.
struct ChildReport {
  SpawnStep step;
  int error;
  int head_size;
  char head[128];  // the beginning of the file that could not be executed
};

// Everything the child needs, made before the fork.
struct ChildPlan {
  pid_t parent;
  int directory_fd;  // or AT_FDCWD
  int stdin_fd;      // or -1 for /dev/null
  int stdout_fd;
  int stderr_fd;
  int report_fd;
  const cpu_set_t* processors;  // null: those of the parent
  size_t processors_size;
  const char* program;
  char* const* argv;
  char* const* env;
};

// From here to RunChild: the child's side, async-signal-safe calls only.

[[noreturn]] void Fail(const ChildPlan& plan, SpawnStep step, int error) {
  ChildReport report = {};
  report.step = step;
  report.error = error;
  if (step == SpawnStep::kExec) {
    const int file = open(plan.program, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file >= 0) {
      const ssize_t size = read(file, report.head, sizeof(report.head));
      report.head_size = size > 0 ? static_cast<int>(size) : 0;
    } else if (errno == error && (error == ENOENT || error == ENOTDIR)) {
      report.step = SpawnStep::kFind;  // and not its interpreter
    }
  }
  // Should even that fail, the exit code still says "not started".
  [[maybe_unused]] const ssize_t written =
      write(plan.report_fd, &report, sizeof(report));
  _exit(126);
}

void ResetSignals() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  // Fails for those that cannot be changed, which is as good.
  for (int signo = 1; signo <= SIGRTMAX; ++signo) {
    sigaction(signo, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void RunChild(const ChildPlan& plan) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The parent may have died before the request for its death signal.
  if (getppid() != plan.parent) Fail(plan, SpawnStep::kSetup, ESRCH);
  ResetSignals();
  const int input = plan.stdin_fd >= 0
                        ? plan.stdin_fd
                        : open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (input < 0 || dup2(input, STDIN_FILENO) < 0 ||
      dup2(plan.stdout_fd, STDOUT_FILENO) < 0 ||
      dup2(plan.stderr_fd, STDERR_FILENO) < 0) {
    Fail(plan, SpawnStep::kSetup, errno);
  }
  if (plan.directory_fd != AT_FDCWD && fchdir(plan.directory_fd) < 0) {
    Fail(plan, SpawnStep::kWorkingDirectory, errno);
  }
  // A wish: processors that are gone by now must not end the job.
  if (plan.processors) {
    sched_setaffinity(0, plan.processors_size, plan.processors);
  }
  // For kernels without it: all of the keeper's descriptors have the flag.
  close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  execve(plan.program, plan.argv, plan.env);
  Fail(plan, SpawnStep::kExec, errno);
}

// From here: the parent's side.

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& string : strings) {
    pointers.push_back(const_cast<char*>(string.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

// The PATH in `env`, of which the last entry counts, as in a shell.
std::string PathOf(const SpawnRequest& request) {
  for (auto entry = request.env.rbegin(); entry != request.env.rend();
       ++entry) {
    if (entry->first == "PATH") return entry->second;
  }
  return kDefaultPath;
}

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;

  bool Open() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0) return false;
    read_end.Reset(fds[0]);
    write_end.Reset(fds[1]);
    return true;
  }
};

// The part of the report that a message can use.
std::string FirstLine(const ChildReport& report) {
  const absl::string_view head(report.head,
                               static_cast<size_t>(report.head_size));
  return std::string(head.substr(0, head.find('\n')));
}

}  // namespace

Program FindProgram(const std::string& name, absl::string_view path,
                    int directory_fd) {
  if (name.empty()) return {name, ENOENT};
  if (name.find('/') != std::string::npos) return {name, 0};
  Program found = {name, ENOENT};
  for (const absl::string_view directory : absl::StrSplit(path, ':')) {
    const std::string candidate = directory.empty()
                                      ? absl::StrCat("./", name)
                                      : absl::StrCat(directory, "/", name);
    struct stat file = {};
    if (fstatat(directory_fd, candidate.c_str(), &file, 0) < 0) {
      if (errno == EACCES && found.error == ENOENT) found.error = EACCES;
      continue;
    }
    if (!S_ISREG(file.st_mode)) continue;
    if (faccessat(directory_fd, candidate.c_str(), X_OK, AT_EACCESS) == 0) {
      return {candidate, 0};
    }
    found = {candidate, EACCES};
  }
  return found;
}

std::variant<Child, SpawnFailure> StartChild(const SpawnRequest& request) {
  if (request.argv.empty()) {
    return SpawnFailure{SpawnStep::kRequest, EINVAL, "", ""};
  }
  const std::string& name = request.argv[0];
  UniqueFd directory;
  int directory_fd = AT_FDCWD;
  if (!request.working_directory.empty()) {
    directory.Reset(open(request.working_directory.c_str(),
                         O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) {
      return SpawnFailure{SpawnStep::kWorkingDirectory, errno, name,
                          request.working_directory};
    }
    directory_fd = directory.get();
  }
  const std::string path = PathOf(request);
  Program program = FindProgram(name, path, directory_fd);
  if (program.error != 0) {
    return SpawnFailure{SpawnStep::kFind, program.error, program.path,
                        name.empty() ? "" : path};
  }
  Pipe in, out, err, report;
  if ((request.piped_stdin && !in.Open()) || !out.Open() || !err.Open() ||
      !report.Open()) {
    return SpawnFailure{SpawnStep::kPipes, errno, name, ""};
  }

  std::vector<std::string> env;
  env.reserve(request.env.size());
  for (const auto& [variable, value] : request.env) {
    env.push_back(absl::StrCat(variable, "=", value));
  }
  // Copied to where a cpu_set_t may stand.
  std::vector<uint64_t> processors((request.processors.size() + 7) / 8);
  if (!processors.empty()) {
    std::memcpy(processors.data(), request.processors.data(),
                request.processors.size());
  }
  const std::vector<char*> argv_pointers = Pointers(request.argv);
  const std::vector<char*> env_pointers = Pointers(env);
  const ChildPlan plan = {
      .parent = getpid(),
      .directory_fd = directory_fd,
      .stdin_fd = in.read_end.get(),
      .stdout_fd = out.write_end.get(),
      .stderr_fd = err.write_end.get(),
      .report_fd = report.write_end.get(),
      .processors = processors.empty()
                        ? nullptr
                        : reinterpret_cast<cpu_set_t*>(processors.data()),
      .processors_size = request.processors.size(),
      .program = program.path.c_str(),
      .argv = argv_pointers.data(),
      .env = env_pointers.data()};
  const pid_t pid = fork();
  if (pid < 0) return SpawnFailure{SpawnStep::kFork, errno, name, ""};
  if (pid == 0) RunChild(plan);
  // In both processes, so that neither can see the group missing.
  setpgid(pid, pid);
  return Child{.pid = pid,
               .program = std::move(program.path),
               .working_directory = request.working_directory,
               .stdout_fd = std::move(out.read_end),
               .stderr_fd = std::move(err.read_end),
               .stdin_fd = std::move(in.write_end),
               .result_fd = std::move(report.read_end)};
}

std::optional<SpawnFailure> FinishSpawn(Child* child) {
  ChildReport report = {};
  ssize_t size;
  do {
    size = read(child->result_fd.get(), &report, sizeof(report));
  } while (size < 0 && errno == EINTR);
  child->result_fd.Reset();
  if (size != static_cast<ssize_t>(sizeof(report))) return std::nullopt;
  return SpawnFailure{report.step, report.error, child->program,
                      report.step == SpawnStep::kWorkingDirectory
                          ? child->working_directory
                          : FirstLine(report)};
}

}  // namespace muster::process
