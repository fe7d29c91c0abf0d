// Which directories are known to be on the disk under their names.
#ifndef MUSTER_LAUNCHER_COLLECTOR_DURABLE_DIRECTORIES_H_
#define MUSTER_LAUNCHER_COLLECTOR_DURABLE_DIRECTORIES_H_

#include <cstddef>
#include <set>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"

namespace muster::collector {

// Job: say which directories must be synced so that a name in one of them
// lasts: the directory itself, and those above it when they may be new. Pure.
// Threads: one at a time. Memory: bounded; what is forgotten is synced again.
class DurableDirectories {
 public:
  static constexpr size_t kMost = 8192;

  // Adds to `out` what must be synced for a new name in `directory`, relative
  // to the run's own directory, which is "".
  void Needed(const std::string& directory, std::set<std::string>* out) const {
    absl::string_view at = directory;
    out->insert(std::string(at));
    while (!at.empty() && known_.count(at) == 0) {
      const size_t slash = at.rfind('/');
      at = slash == absl::string_view::npos ? "" : at.substr(0, slash);
      out->insert(std::string(at));
    }
  }

  // All of Needed() is on the disk.
  void Synced(const std::string& directory) {
    if (known_.size() >= kMost) known_.clear();
    known_.insert(directory);
  }

 private:
  absl::flat_hash_set<std::string> known_;
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_DURABLE_DIRECTORIES_H_
