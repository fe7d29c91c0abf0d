// The directories that --shared-dir, --input, --output and --spool-dir name on
// this node.
#ifndef MUSTER_LAUNCHER_DIRECTORIES_H_
#define MUSTER_LAUNCHER_DIRECTORIES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/job.pb.h"

namespace muster::launcher {

// `path` seen from `current`, an absolute path: absolute, without "." and
// without a slash at its end. ".." stays, since it means something else behind
// a link.
std::string AbsolutePath(const std::string& path, const std::string& current);

// Makes these directories of the spec absolute.
void MakeDirectoriesAbsolute(const std::string& current, JobSpec* spec);

// Makes the outputs that are missing, and looks whether the workers can use
// all of them.
//
// Errors:
//   INVALID_ARGUMENT  some can't be used: each is named with its flag, what is
//                     wrong and what to do, in one line.
absl::Status PrepareDirectories(const JobSpec& spec);

// Where this user's agents keep output until it is collected: --spool-dir, or
// muster-spool-<user id> in the first of /var/tmp, /tmp and /dev/shm that takes
// it. Makes it, for the user alone, where it is missing.
//
// Errors:
//   INVALID_ARGUMENT  it can't be made or written; names the flag, what is
//   wrong
//                     and what to do.
absl::StatusOr<std::string> PrepareSpoolDirectory(const std::string& spool_dir);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_DIRECTORIES_H_
