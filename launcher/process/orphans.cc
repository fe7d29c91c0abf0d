#include "launcher/process/orphans.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"

namespace muster::process {
namespace {

using Clock = std::chrono::steady_clock;

// A pause between two rounds, cut short by the end of one of `killed`. Longer
// than any process needs to die; what forked meanwhile waits for it.
constexpr int kRoundMilliseconds = 20;

void WaitForAnEnd(const std::vector<UniqueFd>& killed) {
  std::vector<pollfd> polled;
  for (const UniqueFd& pidfd : killed) {
    polled.push_back({pidfd.get(), POLLIN, 0});
  }
  poll(polled.data(), polled.size(), kRoundMilliseconds);
}

}  // namespace

absl::Status BecomeSubreaper() {
  signal(SIGCHLD, SIG_DFL);
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      "cannot become the parent of orphans: ", strerror(errno),
      "; processes that workers leave behind may outlive the job"));
}

absl::StatusOr<std::vector<Killed>> KillDescendants(pid_t root,
                                                    absl::Duration limit) {
  if (root != getpid()) {
    return absl::InvalidArgumentError(
        absl::StrCat("process ", root, " is not this process, ", getpid()));
  }
  const auto deadline = Clock::now() + absl::ToChronoNanoseconds(limit);
  std::map<std::pair<pid_t, uint64_t>, Killed> killed;
  while (true) {
    absl::StatusOr<std::vector<ProcessEntry>> left = ListDescendants(root);
    if (!left.ok()) return left.status();
    for (auto& [key, process] : killed) process.gone = true;
    std::vector<UniqueFd> pidfds;
    bool reaped = false;
    for (const ProcessEntry& process : *left) {
      if (process.ended) {
        // Others than our own are their parents', which are being killed.
        reaped |= waitpid(process.pid, nullptr, WNOHANG) == process.pid;
        continue;
      }
      killed[{process.pid, process.start_time}] = {process.pid, process.name,
                                                   false};
      UniqueFd pidfd = SignalProcess(process, SIGKILL);
      if (pidfd.valid()) pidfds.push_back(std::move(pidfd));
    }
    if (left->empty() || Clock::now() >= deadline) break;
    if (!reaped) WaitForAnEnd(pidfds);
  }
  std::vector<Killed> list;
  for (auto& [key, process] : killed) list.push_back(std::move(process));
  return list;
}

}  // namespace muster::process
