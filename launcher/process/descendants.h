#ifndef MUSTER_LAUNCHER_PROCESS_DESCENDANTS_H_
#define MUSTER_LAUNCHER_PROCESS_DESCENDANTS_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "launcher/process/unique_fd.h"

namespace muster::process {

// A process as /proc/<pid>/stat shows it. `pid` and `start_time` together name
// it: the kernel reuses the number alone.
struct ProcessEntry {
  pid_t pid = 0;
  pid_t parent = 0;
  bool ended = false;       // a zombie, of which no thread runs any more
  uint64_t start_time = 0;  // clock ticks since boot
  std::string name;         // comm: at most 15 bytes
};

// A process that was ended because it was left over.
struct Killed {
  pid_t pid = 0;
  std::string name;
  // False: it outlived SIGKILL, which only a wait inside the kernel allows (a
  // driver or a file system that hangs).
  bool gone = true;

  friend bool operator==(const Killed&, const Killed&) = default;
};

// Takes the text of /proc/<pid>/stat apart; nullopt when it is none.
std::optional<ProcessEntry> ParseStat(absl::string_view stat);

// Everything below `root`, those that ended but are not reaped too. While
// processes end and are handed to another parent a walk can miss some: repeat
// it until nothing is left.
//
// Unavailable: /proc cannot be read (not mounted in this container?).
absl::StatusOr<std::vector<ProcessEntry>> ListDescendants(pid_t root);

// Sends `signo` to exactly that process, never to one that got its number
// later. Returns a pidfd that polls readable when it has ended; an invalid one
// when it is gone already or the kernel has no pidfd.
UniqueFd SignalProcess(const ProcessEntry& process, int signo);

}  // namespace muster::process

#endif  // MUSTER_LAUNCHER_PROCESS_DESCENDANTS_H_
