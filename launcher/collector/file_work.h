// What has to reach the disk before a node may hear of it.
#ifndef MUSTER_LAUNCHER_COLLECTOR_FILE_WORK_H_
#define MUSTER_LAUNCHER_COLLECTOR_FILE_WORK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "launcher/collector/beneath.h"
#include "launcher/collector/durable_directories.h"
#include "launcher/collector/part.h"
#include "launcher/collector/quota.h"

namespace muster::collector {

// Where the files of one run go.
struct FileHome {
  int root = -1;      // of the run's directory
  std::string shown;  // its name, for messages
  Quota* quota = nullptr;

  // An error of a file in it, with its name.
  absl::Status Named(const absl::Status& status) const {
    return Prefixed(absl::StrCat("run directory ", shown, ": "), status);
  }
};

// Job: what one node waits for, carried out in one go: what was written is
// synced, whole files get their names, and the directories are synced.
// Life cycle: filled; RunFileWork once; read by the one who filled it.
// Threads: one at a time. It may take as long as the disk does.
// Ownership: `home`, `directories` and `parts` must outlive it.
struct FileWork {
  // A whole file that gets its name, in place of what is there.
  struct Publish {
    uint64_t transfer = 0;
    std::unique_ptr<Part> part;  // or, for a small file:
    std::string name;            // of the part
    Fd file;                     // to be synced; closed where all is synced
    std::string target;          // relative to the run's directory
    uint64_t bytes = 0;          // that were charged
    uint64_t window = 0;         // bytes that the node hears of
    // Afterwards:
    bool is_published = false;  // else nothing of it is left
    absl::Status status;  // FailedPrecondition, InvalidArgument as FileError
    uint64_t replaced_bytes = 0;
  };
  // A file that grows.
  struct Grown {
    uint64_t transfer = 0;
    std::shared_ptr<Fd> file;
    std::string target;
    uint64_t offset = 0;
    uint64_t window = 0;  // bytes that the node hears of
  };
  // A part of which it is not known how much is as it was.
  struct Verify {
    uint64_t transfer = 0;
    std::unique_ptr<Part> part;
    uint64_t charged = 0;  // before; what is whole may be less
  };
  struct Totals {
    uint64_t log_bytes = 0;
    uint64_t output_bytes = 0;
  };

  FileHome home;
  int parts = -1;                             // of the directory of parts
  DurableDirectories* directories = nullptr;  // used by the works alone
  std::vector<Publish> publish;
  std::vector<Grown> grown;
  std::set<std::string> changed;  // directories with other names in them
  std::vector<uint64_t> done;     // transfers that are stored with the rest
  std::vector<Verify> verify;
  std::string count_below;  // "nodes/node<k>": totals are wanted

  // Afterwards. A failure is of all of it: ResourceExhausted where the disk
  // is full, DiskFailure where it failed. No part is left then.
  absl::Status status;
  Totals totals;

  bool empty() const {
    return publish.empty() && grown.empty() && changed.empty() &&
           done.empty() && verify.empty() && count_below.empty();
  }
};

// Over so many files a file system is synced as a whole, which takes one
// transaction for all.
constexpr size_t kMaxSyncedApart = 16;

// Carries out several, with one sync of each file system where that is less
// work.
void RunFileWork(absl::Span<FileWork* const> works);

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_FILE_WORK_H_
