#include "launcher/collector/disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "launcher/failpoints/failpoint.h"

namespace muster::collector {

absl::Status SyncError(int error, absl::string_view path) {
  const std::string text =
      absl::StrCat("cannot sync ", ShowPath(path), ": ", std::strerror(error));
  if (error == ENOSPC || error == EDQUOT) {
    return absl::ResourceExhaustedError(text);
  }
  return DiskFailure(
      absl::StrCat(text,
                   "; what was not acknowledged is lost, look at the "
                   "disk before starting again"));
}

absl::Status SyncData(int file, absl::string_view path) {
  if (fdatasync(file) != 0) return SyncError(errno, path);
  return absl::OkStatus();
}

absl::Status SyncDirectory(int directory, absl::string_view path) {
  if (fsync(directory) != 0) return SyncError(errno, path);
  return absl::OkStatus();
}

absl::Status SyncFileSystem(int file, absl::string_view path) {
  if (syncfs(file) != 0) return SyncError(errno, path);
  return absl::OkStatus();
}

absl::Status SyncDirectoryBelow(int root, absl::string_view path) {
  if (path.empty()) return SyncDirectory(root, ".");
  // OpenParent makes what is missing; this one is there.
  absl::StatusOr<Fd> directory = OpenParent(root, absl::StrCat(path, "/."));
  if (!directory.ok()) return directory.status();
  return SyncDirectory(directory->get(), path);
}

absl::StatusOr<std::string> ReadAll(const Fd& file, absl::string_view path) {
  std::string bytes;
  size_t size = 0;
  for (;;) {
    if (bytes.size() - size < 4096) bytes.resize(bytes.size() * 2 + 65536);
    const ssize_t got = pread(file.get(), bytes.data() + size,
                              bytes.size() - size, static_cast<off_t>(size));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(errno, "read", path);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  bytes.resize(size);
  return bytes;
}

absl::Status AppendAt(const Fd& file, absl::string_view bytes, uint64_t offset,
                      absl::string_view path) {
  const absl::Status written = WriteAll(file, bytes, offset, path);
  if (written.ok()) return written;
  if (ftruncate(file.get(), static_cast<off_t>(offset)) != 0) {
    return DiskFailure(absl::StrCat(written.message(),
                                    "; and what was written cannot be taken "
                                    "back: ",
                                    std::strerror(errno)));
  }
  return written;
}

absl::Status ReplaceFile(const Replacement& file, absl::string_view bytes) {
  const std::string fresh = file.name + ".new";
  const Fd made(openat(file.scratch, fresh.c_str(),
                       O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                       file.mode));
  if (!made.is_open()) return FileError(errno, "make", file.shown);
  absl::Cleanup remove = [&file, &fresh] {
    unlinkat(file.scratch, fresh.c_str(), 0);
  };
  absl::Status status = WriteAll(made, bytes, 0, file.shown);
  if (status.ok()) status = SyncData(made.get(), file.shown);
  if (!status.ok()) return status;
  MUSTER_FAILPOINT("collector.before_rename");
  if (renameat(file.scratch, fresh.c_str(), file.directory,
               file.name.c_str()) != 0) {
    return FileError(errno, "replace", file.shown);
  }
  std::move(remove).Cancel();
  return SyncDirectory(file.directory, file.shown);
}

}  // namespace muster::collector
