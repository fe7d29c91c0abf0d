#include "launcher/files/source.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "launcher/framing/digest.h"

namespace muster::files {
namespace {

// A kernel or a sandbox without openat2 is given one component after another.
int OpenByComponents(int root, absl::string_view path, int flags) {
  int at = fcntl(root, F_DUPFD_CLOEXEC, 0);
  while (at >= 0) {
    const size_t slash = path.find('/');
    const bool is_last = slash == absl::string_view::npos;
    const std::string name(path.substr(0, slash));
    const int next = openat(
        at, name.c_str(),
        (is_last ? flags : O_PATH | O_DIRECTORY) | O_NOFOLLOW | O_CLOEXEC);
    const int error = errno;
    close(at);
    errno = error;
    if (is_last) return next;
    path.remove_prefix(slash + 1);
    at = next;
  }
  return at;
}

int OpenBeneath(int root, const std::string& path, int flags) {
  open_how how = {};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const int fd = static_cast<int>(
      syscall(SYS_openat2, root, path.c_str(), &how, sizeof how));
  if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return fd;
  return OpenByComponents(root, path, flags);
}

absl::Status Reason(int error) {
  const char* const text = strerror(error);
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(text);
    case ELOOP:
    case ENOTDIR:
    case EXDEV:
      return absl::FailedPreconditionError("a symbolic link");
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(text);
    default:
      return absl::InternalError(text);
  }
}

int64_t Nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

Version VersionOf(const struct stat& found) {
  return {.size = static_cast<uint64_t>(found.st_size),
          .mtime_ns = Nanoseconds(found.st_mtim),
          .ctime_ns = Nanoseconds(found.st_ctim),
          .inode = found.st_ino,
          .device = found.st_dev};
}

FileVersion ToProto(const Version& version) {
  FileVersion proto;
  proto.set_size(version.size);
  proto.set_mtime_ns(version.mtime_ns);
  proto.set_ctime_ns(version.ctime_ns);
  proto.set_inode(version.inode);
  proto.set_device(version.device);
  return proto;
}

uint64_t Fingerprint(const Version& version) {
  const std::array<uint64_t, 5> all = {
      version.size, static_cast<uint64_t>(version.mtime_ns),
      static_cast<uint64_t>(version.ctime_ns), version.inode, version.device};
  return framing::Checksum(
      {reinterpret_cast<const char*>(all.data()), sizeof all});
}

process::UniqueFd OpenDirectory(int root, const std::string& path, int* error) {
  process::UniqueFd fd(OpenBeneath(root, path.empty() ? "." : path,
                                   O_RDONLY | O_DIRECTORY | O_NONBLOCK));
  *error = fd.valid() ? 0 : errno;
  return fd;
}

const char* KindOf(mode_t mode) {
  if (S_ISLNK(mode)) return "a symbolic link";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISDIR(mode)) return "a directory";
  return "a device";
}

SourceFile::SourceFile(process::UniqueFd fd, const struct stat& found)
    : fd_(std::move(fd)),
      version_(VersionOf(found)),
      mode_(found.st_mode & 07777),
      blocks_(static_cast<uint64_t>(found.st_blocks)) {}

absl::StatusOr<SourceFile> SourceFile::Open(int root, const std::string& path) {
  // First a handle that opens nothing, to look at what it is.
  const process::UniqueFd handle(OpenBeneath(root, path, O_PATH | O_NOFOLLOW));
  struct stat found;
  if (!handle.valid() || fstat(handle.get(), &found) != 0) return Reason(errno);
  if (!S_ISREG(found.st_mode)) {
    return absl::FailedPreconditionError(KindOf(found.st_mode));
  }
  constexpr int kFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  process::UniqueFd fd(
      open(absl::StrCat("/proc/self/fd/", handle.get()).c_str(), kFlags));
  if (!fd.valid() && errno == ENOENT) {  // without /proc
    fd.Reset(OpenBeneath(root, path, kFlags | O_NOFOLLOW));
  }
  if (!fd.valid() || fstat(fd.get(), &found) != 0) return Reason(errno);
  if (!S_ISREG(found.st_mode)) {
    return absl::FailedPreconditionError(KindOf(found.st_mode));
  }
  return SourceFile(std::move(fd), found);
}

absl::StatusOr<size_t> SourceFile::ReadAt(uint64_t offset, char* to,
                                          size_t size) const {
  size_t done = 0;
  while (done < size) {
    const ssize_t got = pread(fd_.get(), to + done, size - done,
                              static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::InternalError(strerror(errno));
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

SourceFile::Piece SourceFile::NextData(uint64_t offset) const {
  const Piece none = {version_.size, version_.size};
  if (offset >= version_.size) return none;
  const off_t begin = lseek(fd_.get(), static_cast<off_t>(offset), SEEK_DATA);
  if (begin < 0 && errno == ENXIO) return none;
  const off_t end = begin < 0 ? -1 : lseek(fd_.get(), begin, SEEK_HOLE);
  if (end < 0) return {offset, version_.size};
  if (static_cast<uint64_t>(begin) >= version_.size) return none;
  return {static_cast<uint64_t>(begin),
          std::min(static_cast<uint64_t>(end), version_.size)};
}

Version SourceFile::Now() const {
  struct stat found;
  return fstat(fd_.get(), &found) == 0 ? VersionOf(found) : Version();
}

bool SourceFile::IsUnchanged() const { return Now() == version_; }

bool SourceFile::IsUnlinked() const {
  struct stat found;
  return fstat(fd_.get(), &found) != 0 || found.st_nlink == 0;
}

}  // namespace muster::files
