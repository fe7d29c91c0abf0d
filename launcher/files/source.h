// Files of this node as they are read: never through a link, and never one that
// is not a regular file.
#ifndef MUSTER_LAUNCHER_FILES_SOURCE_H_
#define MUSTER_LAUNCHER_FILES_SOURCE_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "launcher/process/unique_fd.h"
#include "proto/collector.pb.h"

namespace muster::files {

// What the collector accepts of a path, "logs/" or "outputs/" included.
constexpr size_t kMaxPathBytes = 4095;
constexpr size_t kMaxPathDepth = 64;

// What tells one version of a file from another. A rewrite of the same length
// is another version, also when its mtime was set back: ctime cannot be.
struct Version {
  uint64_t size = 0;
  int64_t mtime_ns = 0;
  int64_t ctime_ns = 0;
  uint64_t inode = 0;
  uint64_t device = 0;
  bool operator==(const Version&) const = default;
};
Version VersionOf(const struct stat& found);
FileVersion ToProto(const Version& version);
// 64 bits that stand for it.
uint64_t Fingerprint(const Version& version);

// Opens a directory; "" is `root` itself. Links in `path` are not followed.
// Errors: the errno.
process::UniqueFd OpenDirectory(int root, const std::string& path, int* error);

// What kind of thing it is that is no regular file: "a FIFO".
const char* KindOf(mode_t mode);

// Job: read one regular file while others may change it.
// Life cycle: Open, read, IsUnchanged.
// Threads: one at a time.
class SourceFile {
 public:
  // `path` is below `root`, an open directory. Nothing else than a regular
  // file is ever opened: opening a FIFO or a device does things.
  // Errors, with the reason alone in the text:
  //   NotFound            there is no such file any more
  //   FailedPrecondition  it is not a regular file, or a link is in the way
  //   PermissionDenied    it may not be read
  //   Internal            anything else
  static absl::StatusOr<SourceFile> Open(int root, const std::string& path);

  const Version& version() const { return version_; }
  mode_t mode() const { return mode_; }
  uint64_t blocks() const { return blocks_; }
  int fd() const { return fd_.get(); }

  // Reads up to `size` bytes; fewer only where the file ends.
  // Errors: Internal, with the reason alone in the text.
  absl::StatusOr<size_t> ReadAt(uint64_t offset, char* to, size_t size) const;

  // The next piece of data at or after `offset`: [begin, end). Empty at the
  // end of the file. A file system that knows no holes has one piece.
  struct Piece {
    uint64_t begin = 0;
    uint64_t end = 0;
  };
  Piece NextData(uint64_t offset) const;

  // Whether it is still the version that was opened. A last time, this tells
  // that all that was read is of one version.
  bool IsUnchanged() const;
  // The version that it has now; nullopt when it cannot be asked.
  Version Now() const;
  // No name leads to it any more.
  bool IsUnlinked() const;

 private:
  SourceFile(process::UniqueFd fd, const struct stat& found);

  process::UniqueFd fd_;
  Version version_;
  mode_t mode_ = 0;
  uint64_t blocks_ = 0;
};

}  // namespace muster::files

#endif  // MUSTER_LAUNCHER_FILES_SOURCE_H_
