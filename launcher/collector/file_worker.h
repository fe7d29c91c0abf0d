// The thread that waits for the disk.
#ifndef MUSTER_LAUNCHER_COLLECTOR_FILE_WORKER_H_
#define MUSTER_LAUNCHER_COLLECTOR_FILE_WORKER_H_

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "launcher/collector/file_work.h"

namespace muster::collector {

// Job: run FileWorks in order; those that came meanwhile, together.
// Life cycle: construct, Run any number of times; destruction runs what is
// left.
// Threads: Run on any; `done` is called on this object's thread.
class FileWorker {
 public:
  using Done = absl::AnyInvocable<void(std::unique_ptr<FileWork>)>;

  FileWorker();
  ~FileWorker();
  FileWorker(const FileWorker&) = delete;
  FileWorker& operator=(const FileWorker&) = delete;

  void Run(std::unique_ptr<FileWork> work, Done done);

 private:
  struct Item {
    std::unique_ptr<FileWork> work;
    Done done;
  };

  void Loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> queue_;  // guarded by mutex_
  bool ending_ = false;     // guarded by mutex_
  std::thread thread_;
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_FILE_WORKER_H_
