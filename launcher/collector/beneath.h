// Files below one directory, whatever their names say. Names come from other
// machines: no link is followed, and nothing outside can be reached.
#ifndef MUSTER_LAUNCHER_COLLECTOR_BENEATH_H_
#define MUSTER_LAUNCHER_COLLECTOR_BENEATH_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace muster::collector {

constexpr size_t kMaxComponentBytes = 255;
constexpr size_t kMaxPathBytes = 4095;
constexpr size_t kMaxPathDepth = 64;

// An open file descriptor with one owner.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int number) : number_(number) {}
  Fd(Fd&& other) noexcept : number_(other.number_) { other.number_ = -1; }
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { Close(); }

  int get() const { return number_; }
  bool is_open() const { return number_ >= 0; }
  void Close();

 private:
  int number_ = -1;
};

// Path as text for a message: escaped, and cut so that it fits the status of a
// stream.
std::string ShowPath(absl::string_view path);

// What `error` (an errno) means for the sender of bytes:
//   ResourceExhausted   ENOSPC, EDQUOT
//   InvalidArgument     ELOOP, EXDEV, ENAMETOOLONG: the path leads elsewhere
//   FailedPrecondition  EISDIR, ENOTDIR, EEXIST, ENOTEMPTY: a file stands where
//                       a directory is needed, or the other way round
//   DataLoss            EIO: the disk failed (DiskFailure)
//   Internal            anything else
absl::Status FileError(int error, absl::string_view doing,
                       absl::string_view path);

// DataLoss because the disk failed, so that nothing is known any more of what
// it holds; not because a file was found damaged.
absl::Status DiskFailure(absl::string_view text);
bool IsDiskFailure(const absl::Status& status);

// The same with more words in front.
absl::Status Prefixed(absl::string_view words, const absl::Status& status);

// InvalidArgument: empty, absolute, over 4095 bytes or 64 components deep; a
// component is empty, "." or "..", over 255 bytes, or holds NUL.
absl::Status CheckRelativePath(absl::string_view path);

// Opens the directory of `path`, below `root`, and makes what is missing with
// mode 0755. `path` is one that CheckRelativePath accepts. Errors as FileError.
absl::StatusOr<Fd> OpenParent(int root, absl::string_view path);

// The same, but nothing is made. NotFound when a directory is missing.
absl::StatusOr<Fd> FindParent(int root, absl::string_view path);

// The last component of `path`.
std::string LastComponent(absl::string_view path);

// Opens a regular file below `root` for writing and makes it, and its
// directories, when missing. Errors as FileError.
absl::StatusOr<Fd> OpenForWriting(int root, absl::string_view path,
                                  int extra_flags, mode_t mode);

// Opens the file or the directory at `path` below `root`, a path that
// CheckRelativePath accepts; makes nothing. What was opened may be any kind of
// file: a FIFO does not hold the caller.
//   NotFound  there is none
//   others    as FileError
absl::StatusOr<Fd> OpenForReading(int root, absl::string_view path,
                                  int extra_flags = 0);

// Writes all of `bytes` at `offset`; appends when the file is open for that.
// Errors as FileError; part of the bytes may be written then.
absl::Status WriteAll(const Fd& file, absl::string_view bytes, uint64_t offset,
                      absl::string_view path);

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_BENEATH_H_
