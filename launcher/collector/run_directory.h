// RUN_DIR/<run-id>/: what one run leaves behind.
#ifndef MUSTER_LAUNCHER_COLLECTOR_RUN_DIRECTORY_H_
#define MUSTER_LAUNCHER_COLLECTOR_RUN_DIRECTORY_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "launcher/collector/beneath.h"
#include "launcher/collector/part_file.h"
#include "proto/collector.pb.h"

namespace muster::collector {

// Job: keep the files of one run, and let nobody write outside of them.
//
//   logs/<rank>.stdout, logs/<rank>.stderr     attempt 0
//   logs/attempt<k>/<rank>.stdout ...          attempt k
//   logs/node<k>.agent
//   nodes/node<k>/logs/..., nodes/node<k>/outputs/...
//   run.json, report.json, ...                 by WriteWhole
//
// A log appears at once and grows; any other file appears when it is whole.
// A name starts with ".part-" until then.
// Life cycle: Create, then for each node Begin, its writes, End.
// Threads: Begin to End on one thread; the other functions on any.
// Ownership: owns its open files, a bounded number of them.
//
// Where no other errors are listed, errors are those of FileError in
// beneath.h, with the path in the text. Nothing is synced to the disk.
class RunDirectory {
 public:
  // Makes `run_dir` where it is missing, and `run_id` in it.
  //   InvalidArgument  run_id is not [A-Za-z0-9._-]{1,64}, or is "." or ".."
  //   AlreadyExists    a run of that id is there
  //   others           as FileError
  static absl::StatusOr<std::unique_ptr<RunDirectory>> Create(
      const std::string& run_dir, const std::string& run_id);

  const std::string& run_id() const { return run_id_; }
  const std::string& path() const { return path_; }

  // A node begins to deliver: its logs are made, empty. A node that comes
  // again after End goes on where it was.
  //   InvalidArgument  its ranks are not within the world, or are another
  //                    node's; the world of this attempt has another size
  absl::Status Begin(const Introduction& node);

  // Appends to a worker's log. `chunk.offset` must be where the log ends.
  //   InvalidArgument  no such rank in this attempt; bytes out of order
  absl::Status AppendLog(uint32_t attempt, const LogChunk& chunk);

  absl::Status AppendAgentLog(uint32_t node, absl::string_view bytes);

  // Takes part of a file of a node. Offset 0 begins a file, and begins it
  // anew when it is unfinished; `last` gives it its name.
  //   InvalidArgument     a path that collector.proto forbids; bytes out of
  //                       order; over 64 unfinished files
  //   FailedPrecondition  a file is where a directory is needed, or reverse
  absl::Status WriteFile(uint32_t node, const FileChunk& chunk);

  // The node delivers no more; its unfinished files are removed.
  void End(uint32_t node);

  // Writes a small file of the run itself, such as "report.json".
  absl::Status WriteWhole(const std::string& name, absl::string_view bytes);

  // Keeps a document of the run.
  absl::Status Record(const RecordUpdate& update);

  // Bytes of workers' logs and of files below "logs/"; bytes of files below
  // "outputs/". The agents' own logs do not count.
  uint64_t log_bytes() const { return log_bytes_; }
  uint64_t output_bytes() const { return output_bytes_; }

 private:
  struct LogKey {
    uint32_t attempt;
    uint32_t rank;
    bool is_stderr;
    auto operator<=>(const LogKey&) const = default;
  };
  struct Log {
    uint32_t node;
    std::string path;
    uint64_t size = 0;
    bool ended = false;
    Fd file;
  };
  using Parts = std::map<std::string, std::unique_ptr<PartFile>>;  // by path

  RunDirectory(std::string path, std::string run_id, Fd root);

  absl::Status CheckIntroduction(const Introduction& node) const;
  absl::Status OpenLog(Log& log);
  absl::StatusOr<PartFile*> PartFor(uint32_t node, const FileChunk& chunk);
  absl::Status Named(const absl::Status& status) const;

  const std::string path_;
  const std::string run_id_;
  const Fd root_;
  std::atomic<uint64_t> serial_{0};
  std::atomic<uint64_t> log_bytes_{0};
  std::atomic<uint64_t> output_bytes_{0};

  // The collector's thread only.
  std::map<uint32_t, uint32_t> world_sizes_;  // by attempt
  std::map<LogKey, Log> logs_;
  std::deque<Log*> open_logs_;       // the one opened first is closed first
  std::map<uint32_t, Parts> parts_;  // by node rank
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_RUN_DIRECTORY_H_
