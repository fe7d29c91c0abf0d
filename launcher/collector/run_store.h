// A directory of runs.
#ifndef MUSTER_LAUNCHER_COLLECTOR_RUN_STORE_H_
#define MUSTER_LAUNCHER_COLLECTOR_RUN_STORE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "launcher/collector/file_cache.h"
#include "launcher/collector/run.h"
#include "proto/collector.pb.h"

namespace muster::collector {

// Job: make runs and find them again, also those of an earlier process. Two
// runs share nothing but the descriptors that their logs may use.
//
//   DIR/<run id>/              a run, there with all that it needs at once
//   DIR/.muster-collect.lock   held by `muster collect`
//   DIR/.muster-new-*          a run that is being made
//
// Life cycle: Open, use, destroy.
// Threads: any. Opening a run reads its journal, on the calling thread.
// Ownership: keeps runs open while somebody uses them, and a few more.
class RunStore {
 public:
  struct Options {
    std::string directory;   // made where it is missing
    uint64_t run_quota = 0;  // bytes of each run; 0 for none
    // The only collector that makes runs here by itself; jobs with a collector
    // of their own may use the same directory beside it.
    bool exclusive = false;
    size_t most_open_logs = 256;
  };

  // Errors:
  //   AlreadyExists  another collector holds it; the text names the process.
  //   others         as FileError: it cannot be made or written.
  static absl::StatusOr<std::unique_ptr<RunStore>> Open(const Options& options);

  const std::string& directory() const { return options_.directory; }

  // The run of this id and key; made where it is missing.
  //   InvalidArgument  the id, or a key that is not 32 bytes
  //   AlreadyExists    a run of that id with another key, or none of ours
  //   others           as Run::Open and Run::Create
  absl::StatusOr<std::shared_ptr<Run>> OpenOrCreate(const std::string& run_id,
                                                    absl::string_view run_key);

  // The run that this node may write to. For what a dead agent left it is made
  // where it is missing.
  //   NotFound  no run of that id
  //   others    as Run::Authorize, Run::Open and Run::Create
  absl::StatusOr<std::shared_ptr<Run>> Admit(const Introduction& introduction);

  // Closes the run unless somebody uses it.
  void Release(const std::string& run_id);

 private:
  explicit RunStore(const Options& options)
      : options_(options), cache_(options.most_open_logs) {}

  absl::Status OpenDirectory();
  void RemoveUnfinished();
  std::string PathOf(const std::string& run_id) const;
  absl::StatusOr<std::shared_ptr<Run>> OpenRun(const std::string& run_id,
                                               bool is_new);
  absl::Status Create(const std::string& run_id, absl::string_view run_key);
  absl::Status CreateFor(const Introduction& orphaned);

  const Options options_;
  FileCache cache_;  // outlives the runs
  Fd directory_;
  Fd lock_;

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Run>> open_;  // guarded by mutex_
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_RUN_STORE_H_
