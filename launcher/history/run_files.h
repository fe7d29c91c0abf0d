// The files of runs, to be read and never more: RUN_DIR/<run-id>/...
#ifndef MUSTER_LAUNCHER_HISTORY_RUN_FILES_H_
#define MUSTER_LAUNCHER_HISTORY_RUN_FILES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "launcher/collector/beneath.h"
#include "proto/history.pb.h"

namespace muster::history {

using collector::Fd;

// All functions may be called on any thread. Links are not followed below the
// run directory; what belongs to the collector alone (".muster*" and ".part-*",
// beside the runs and at the top of one) is not there for them.
//
// Errors where no others are listed:
//   InvalidArgument     a run id or a path that can't be one; a link is there.
//   NotFound            no such directory, run or file.
//   FailedPrecondition  a directory or a special file is there.
//   Internal            anything else, with the path.

// A directory of runs, or of one run: a path of this machine.
absl::StatusOr<Fd> OpenDirectory(const std::string& path);

// [A-Za-z0-9._-]{1,64}, and neither ".", ".." nor the collector's own.
bool IsRunId(absl::string_view text);

// Whether this directory is a run's: what runs have is there.
bool IsRun(int directory);

// The ids of all runs, sorted.
absl::StatusOr<std::vector<std::string>> ListRunIds(int run_dir);

absl::StatusOr<Fd> OpenRun(int run_dir, const std::string& run_id);

// `sizes`: looks at each file where report.json does not say how much there
// is.
absl::StatusOr<RunSummary> Summarize(int run, const std::string& run_id,
                                     bool sizes);

// A regular file.
absl::StatusOr<Fd> OpenFile(int run, absl::string_view path);

// The whole of a small file; "" where it is not there, or has over 2 MB.
absl::StatusOr<std::string> ReadSmallFile(int run, absl::string_view path);

// The regular files whose paths begin with `prefix`, sorted by path.
absl::StatusOr<std::vector<FileEntry>> ListFiles(int run,
                                                 absl::string_view prefix);

// As ListFiles has it, of an open file.
absl::StatusOr<FileEntry> Describe(int file, absl::string_view path);

// The names in a directory, sorted, without "." and "..".
absl::StatusOr<std::vector<std::string>> Names(int directory,
                                               absl::string_view path);

// Up to `most` bytes from `offset`; fewer only at the end of the file.
absl::StatusOr<std::string> ReadAt(int file, uint64_t offset, size_t most,
                                   absl::string_view path);

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_RUN_FILES_H_
