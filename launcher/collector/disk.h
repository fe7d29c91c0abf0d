// What is on the disk, and stays there.
#ifndef MUSTER_LAUNCHER_COLLECTOR_DISK_H_
#define MUSTER_LAUNCHER_COLLECTOR_DISK_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "launcher/collector/beneath.h"

namespace muster::collector {

// What `error`, of a sync of `path`, means. A failed sync is never tried again:
// the kernel may have forgotten the bytes.
//   ResourceExhausted  ENOSPC, EDQUOT
//   DataLoss           anything else: DiskFailure (beneath.h)
absl::Status SyncError(int error, absl::string_view path);

// fdatasync, fsync of a directory, syncfs. Errors as SyncError.
absl::Status SyncData(int file, absl::string_view path);
absl::Status SyncDirectory(int directory, absl::string_view path);
absl::Status SyncFileSystem(int file, absl::string_view path);

// Opens the directory `path` below `root` ("" for itself) and syncs it.
absl::Status SyncDirectoryBelow(int root, absl::string_view path);

// All bytes of an open file. Errors as FileError.
absl::StatusOr<std::string> ReadAll(const Fd& file, absl::string_view path);

// Writes `bytes` at `offset`, where the file ends; after an error the file ends
// there again. Errors as FileError, or DiskFailure when not even that worked.
absl::Status AppendAt(const Fd& file, absl::string_view bytes, uint64_t offset,
                      absl::string_view path);

struct Replacement {
  int directory = -1;
  std::string name;  // in it
  mode_t mode = 0644;
  // A directory of the same file system in which `name` + ".new" is nobody
  // else's.
  int scratch = -1;
  std::string shown;  // the file, in messages
};

// Replaces a file by one with these bytes, whole and durable. Errors as
// FileError and SyncError; the old one may be there then, or the new one.
absl::Status ReplaceFile(const Replacement& file, absl::string_view bytes);

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_DISK_H_
