// The files of one run, as far as the nodes that send them share something.
#ifndef MUSTER_LAUNCHER_COLLECTOR_FILE_STORE_H_
#define MUSTER_LAUNCHER_COLLECTOR_FILE_STORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "launcher/collector/durable_directories.h"
#include "launcher/collector/file_cache.h"
#include "launcher/collector/file_work.h"
#include "launcher/collector/part_store.h"

namespace muster::collector {

// Job: hold what the intakes of a run's nodes have in common.
// Life cycle: Open when the run is opened; goes after the last of its intakes.
// Threads: the files thread's only, but for `directories`, which belongs to the
// thread that runs the works.
// Ownership: borrows what is in `home`, and the cache; owns the parts.
class FileStore {
 public:
  // `hidden` is the run's ".muster". Errors as FileError (beneath.h).
  static absl::StatusOr<std::unique_ptr<FileStore>> Open(FileHome home,
                                                         int hidden,
                                                         FileCache& cache) {
    absl::StatusOr<std::unique_ptr<PartStore>> parts =
        PartStore::Open(hidden, *home.quota);
    if (!parts.ok()) return parts.status();
    return std::unique_ptr<FileStore>(
        new FileStore(std::move(home), cache, *std::move(parts)));
  }

  const FileHome& home() const { return home_; }
  FileCache& cache() { return cache_; }
  PartStore& parts() { return *parts_; }
  DurableDirectories& directories() { return directories_; }

 private:
  FileStore(FileHome home, FileCache& cache, std::unique_ptr<PartStore> parts)
      : home_(std::move(home)), cache_(cache), parts_(std::move(parts)) {}

  const FileHome home_;
  FileCache& cache_;
  const std::unique_ptr<PartStore> parts_;
  DurableDirectories directories_;
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_FILE_STORE_H_
