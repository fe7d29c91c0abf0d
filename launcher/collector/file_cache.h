// A bounded number of open files, for many more logs.
#ifndef MUSTER_LAUNCHER_COLLECTOR_FILE_CACHE_H_
#define MUSTER_LAUNCHER_COLLECTOR_FILE_CACHE_H_

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>

#include "launcher/collector/beneath.h"

namespace muster::collector {

// Job: close the files that were not used for longest, across all runs, so that
// a collector has descriptors left for its connections.
// Life cycle: a Place for each file that can be opened again; Put when it was
// opened, Use before each use.
// Threads: any for a Place's end; one for the rest.
// Ownership: must outlive its places. A file that somebody still holds is
// closed when he lets go.
class FileCache {
 public:
  class Place {
   public:
    explicit Place(FileCache& cache) : cache_(cache) {}
    ~Place() { Close(); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    // The open file, or null where it was closed.
    std::shared_ptr<Fd> Use();
    void Put(std::shared_ptr<Fd> file);
    void Close();

   private:
    friend class FileCache;
    FileCache& cache_;
    std::shared_ptr<Fd> file_;  // guarded by the cache's mutex
    std::list<Place*>::iterator where_;
  };

  explicit FileCache(size_t most) : most_(most) {}

  size_t open_files() const;

 private:
  const size_t most_;
  mutable std::mutex mutex_;
  std::list<Place*> open_;  // guarded by mutex_; the one used last is last
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_FILE_CACHE_H_
