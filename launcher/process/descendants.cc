#include "launcher/process/descendants.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace muster::process {
namespace {

std::optional<ProcessEntry> ReadProcess(absl::string_view pid) {
  const std::string path = absl::StrCat("/proc/", pid, "/stat");
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return std::nullopt;
  char text[1024];
  const ssize_t size = read(file.get(), text, sizeof(text));
  if (size <= 0) return std::nullopt;
  return ParseStat(absl::string_view(text, static_cast<size_t>(size)));
}

}  // namespace

std::optional<ProcessEntry> ParseStat(absl::string_view stat) {
  // The name may hold spaces and parentheses: it ends at the last one.
  const size_t open = stat.find('(');
  const size_t close = stat.rfind(')');
  if (open == absl::string_view::npos || close == absl::string_view::npos ||
      close < open) {
    return std::nullopt;
  }
  ProcessEntry entry;
  entry.name = std::string(stat.substr(open + 1, close - open - 1));
  // From field 3 on: state, ppid, ...; field 22 is the start time.
  const std::vector<absl::string_view> fields =
      absl::StrSplit(stat.substr(close + 1), ' ', absl::SkipEmpty());
  constexpr size_t kState = 0, kParent = 1, kThreads = 17, kStartTime = 19;
  if (fields.size() <= kStartTime ||
      !absl::SimpleAtoi(stat.substr(0, open), &entry.pid) ||
      !absl::SimpleAtoi(fields[kParent], &entry.parent) ||
      !absl::SimpleAtoi(fields[kStartTime], &entry.start_time)) {
    return std::nullopt;
  }
  // The state is the first thread's, which may end before the others.
  entry.ended = (fields[kState] == "Z" || fields[kState] == "X") &&
                (fields[kThreads] == "0" || fields[kThreads] == "1");
  return entry;
}

absl::StatusOr<std::vector<ProcessEntry>> ListDescendants(pid_t root) {
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(opendir("/proc"), closedir);
  if (proc == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("cannot read /proc: ", strerror(errno),
                     "; mount it, or left-over processes cannot be found"));
  }
  std::multimap<pid_t, ProcessEntry> children;
  while (const dirent* entry = readdir(proc.get())) {
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
    if (std::optional<ProcessEntry> process = ReadProcess(entry->d_name)) {
      const pid_t parent = process->parent;
      children.emplace(parent, *std::move(process));
    }
  }
  std::vector<ProcessEntry> found;
  std::vector<pid_t> parents = {root};
  while (!parents.empty()) {
    const pid_t parent = parents.back();
    parents.pop_back();
    auto [first, last] = children.equal_range(parent);
    for (auto child = first; child != last; ++child) {
      parents.push_back(child->second.pid);
      found.push_back(std::move(child->second));
    }
    // The walk is no snapshot: a number seen twice must not become a cycle.
    children.erase(first, last);
  }
  return found;
}

UniqueFd SignalProcess(const ProcessEntry& process, int signo) {
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0)));
  if (!pidfd.valid() && errno == ESRCH) return UniqueFd();
  const std::optional<ProcessEntry> now =
      ReadProcess(absl::StrCat(process.pid));
  if (!now.has_value() || now->start_time != process.start_time) {
    return UniqueFd();
  }
  if (!pidfd.valid()) {
    kill(process.pid, signo);
  } else {
    syscall(SYS_pidfd_send_signal, pidfd.get(), signo, nullptr, 0);
  }
  return pidfd;
}

}  // namespace muster::process
