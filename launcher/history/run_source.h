// Where runs are read from: a directory of this machine, or a collector.
#ifndef MUSTER_LAUNCHER_HISTORY_RUN_SOURCE_H_
#define MUSTER_LAUNCHER_HISTORY_RUN_SOURCE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "launcher/history/producer.h"
#include "proto/history.pb.h"

namespace muster::history {

// Job: the pieces of a run's logs as they come.
// Life cycle: Next until kOver or an error. After kNothing go on when fd() is
// readable or next_look() has come.
// Threads: one.
class LogFeed {
 public:
  virtual ~LogFeed() = default;

  // Never waits for news. Errors: those of the source.
  virtual absl::StatusOr<Step> Next(LogPiece* piece) = 0;

  // -1: there is none.
  virtual int fd() const = 0;
  virtual absl::Time next_look() const = 0;
};

// Job: what History offers, wherever the runs are.
// Life cycle: made by OpenLocalRuns or MakeRemoteRuns (remote_source.h).
// Threads: one. Ownership: must outlive its feeds.
//
// Errors of all functions: those of proto/history.proto; from a collector also
// Unavailable when it can't be reached.
class RunSource {
 public:
  virtual ~RunSource() = default;

  // For people: "./muster-runs", or "10.0.0.4:29400".
  virtual std::string Where() const = 0;
  // The path on this machine of a file of a run; "" where it is elsewhere.
  virtual std::string PathOf(const std::string& run_id,
                             const std::string& path) const = 0;

  virtual absl::StatusOr<std::vector<RunSummary>> ListRuns(
      const ListRunsRequest& request) = 0;
  virtual absl::StatusOr<std::vector<FileEntry>> ListFiles(
      const ListFilesRequest& request) = 0;

  // `take` is given the chunks in order; its error ends the call and is
  // returned.
  using TakeChunk = absl::FunctionRef<absl::Status(const ReadChunk& chunk)>;
  virtual absl::Status Read(const ReadRequest& request, TakeChunk take) = 0;

  virtual absl::StatusOr<std::unique_ptr<LogFeed>> Logs(
      const LogsRequest& request) = 0;
};

// The runs in a directory. `path` may also be that of one run: then it is the
// only one.
// Errors: as at run_files.h.
absl::StatusOr<std::unique_ptr<RunSource>> OpenLocalRuns(
    const std::string& path);

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_RUN_SOURCE_H_
