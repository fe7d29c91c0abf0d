// Where an agent's spool is, and whose it is.
#ifndef MUSTER_LAUNCHER_STREAMS_SPOOL_DIRECTORY_H_
#define MUSTER_LAUNCHER_STREAMS_SPOOL_DIRECTORY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "launcher/process/unique_fd.h"
#include "proto/spool.pb.h"

namespace muster::streams {

constexpr uint32_t kSpoolVersion = 1;

// Job: one spool's directory, its manifest and its lock.
// Life cycle: made for a new spool, or opened when its agent is dead. The lock
// is held as long as this lives; the kernel lets go of it when the process
// dies. What is in the directory stays unless Remove is called.
// Threads: one.
class SpoolDirectory {
 public:
  // Makes a directory for a new spool below `base`, which is made too, mode
  // 0700, if it is not there.
  // Errors, which name --spool-dir and the path:
  //   FailedPrecondition  the base is no directory, or belongs to another user,
  //                       or others may write to it and it is not sticky.
  //   others              as mkdir, open and write.
  static absl::StatusOr<std::unique_ptr<SpoolDirectory>> Create(
      const std::string& base, const SpoolManifest& manifest);

  // Errors, which name the path:
  //   NotFound            it is no spool.
  //   Unavailable         its agent lives, or somebody else is sending it.
  //   PermissionDenied    it belongs to another user.
  //   FailedPrecondition  another version of muster wrote it.
  //   DataLoss            the manifest cannot be understood.
  //   others              as open and read.
  static absl::StatusOr<std::unique_ptr<SpoolDirectory>> OpenDead(
      const std::string& path);

  // What may be spools in `base`, sorted: the directories in it that hold a
  // lock; `base` itself, if it is one.
  // Errors: as opendir; a base that is not there is an empty one.
  static absl::StatusOr<std::vector<std::string>> List(const std::string& base);

  const std::string& path() const { return path_; }
  const SpoolManifest& manifest() const { return manifest_; }
  int fd() const { return directory_.get(); }

  // Removes the spool with all its segments. What else is in the directory
  // stays, and the directory with it.
  // Errors: as unlink and rmdir.
  absl::Status Remove();

 private:
  SpoolDirectory() = default;

  std::string path_;
  SpoolManifest manifest_;
  process::UniqueFd directory_;
  process::UniqueFd lock_;
};

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_SPOOL_DIRECTORY_H_
