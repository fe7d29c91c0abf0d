#include "launcher/collector/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace muster::collector {
namespace {

constexpr char kDiskFailure[] = "muster/disk-failure";

// Opens one component. A kernel or a sandbox without openat2 gets openat with
// O_NOFOLLOW, which is as strict for a single component.
int OpenComponent(int directory, const std::string& name, int flags,
                  mode_t mode) {
  open_how how = {};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  int fd = static_cast<int>(
      syscall(SYS_openat2, directory, name.c_str(), &how, sizeof(how)));
  if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) return fd;
  fd = openat(directory, name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode);
  struct stat found;
  if (fd < 0 && errno == ENOTDIR) {
    // With O_DIRECTORY, openat answers ENOTDIR for a link as well.
    const bool link =
        fstatat(directory, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(found.st_mode);
    errno = link ? ELOOP : ENOTDIR;
  }
  return fd;
}

int OpenOrMakeDirectory(int directory, const std::string& name) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY;
  const int fd = OpenComponent(directory, name, kFlags, 0);
  if (fd >= 0 || errno != ENOENT) return fd;
  if (mkdirat(directory, name.c_str(), 0755) != 0 && errno != EEXIST) return -1;
  return OpenComponent(directory, name, kFlags, 0);
}

const char* Advice(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "; free some space or give --run-dir another disk";
    case ELOOP:
      return "; a link is in the way, remove it";
    default:
      return "";
  }
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    Close();
    std::swap(number_, other.number_);
  }
  return *this;
}

void Fd::Close() {
  if (number_ >= 0) close(number_);
  number_ = -1;
}

std::string ShowPath(absl::string_view path) {
  constexpr size_t kShown = 300;
  std::string shown = absl::CHexEscape(path.substr(0, kShown));
  if (path.size() > kShown) absl::StrAppend(&shown, "...");
  return shown;
}

absl::Status FileError(int error, absl::string_view doing,
                       absl::string_view path) {
  const std::string text =
      absl::StrCat("cannot ", doing, " ", ShowPath(path), ": ",
                   std::strerror(error), Advice(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(text);
    case ELOOP:
    case EXDEV:
    case ENAMETOOLONG:
      return absl::InvalidArgumentError(text);
    case EIO:
      return DiskFailure(text);
    case EISDIR:
    case ENOTDIR:
    case EEXIST:
    case ENOTEMPTY:
      return absl::FailedPreconditionError(text);
    default:
      return absl::InternalError(text);
  }
}

absl::Status DiskFailure(absl::string_view text) {
  absl::Status status = absl::DataLossError(text);
  status.SetPayload(kDiskFailure, absl::Cord());
  return status;
}

bool IsDiskFailure(const absl::Status& status) {
  return status.GetPayload(kDiskFailure).has_value();
}

absl::Status Prefixed(absl::string_view words, const absl::Status& status) {
  if (status.ok()) return status;
  absl::Status named(status.code(), absl::StrCat(words, status.message()));
  status.ForEachPayload([&named](absl::string_view type, const absl::Cord& it) {
    named.SetPayload(type, it);
  });
  return named;
}

absl::Status CheckRelativePath(absl::string_view path) {
  const auto refuse = [path](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("path \"", ShowPath(path), "\" ", why));
  };
  if (path.empty()) return refuse("is empty");
  if (path.front() == '/') return refuse("is absolute");
  if (path.size() > kMaxPathBytes) return refuse("is over 4095 bytes");
  if (path.find('\0') != absl::string_view::npos) return refuse("holds NUL");
  size_t depth = 0;
  for (absl::string_view component : absl::StrSplit(path, '/')) {
    if (component.empty()) return refuse("holds an empty component");
    if (component == "." || component == "..") return refuse("holds . or ..");
    if (component.size() > kMaxComponentBytes) {
      return refuse("holds a component over 255 bytes");
    }
    if (++depth > kMaxPathDepth) return refuse("is over 64 components deep");
  }
  return absl::OkStatus();
}

absl::StatusOr<Fd> OpenParent(int root, absl::string_view path) {
  const std::vector<std::string> components = absl::StrSplit(path, '/');
  Fd directory(fcntl(root, F_DUPFD_CLOEXEC, 0));
  for (size_t i = 0; directory.is_open() && i + 1 < components.size(); ++i) {
    directory = Fd(OpenOrMakeDirectory(directory.get(), components[i]));
  }
  if (!directory.is_open()) {
    return FileError(errno, "open the directory of", path);
  }
  return directory;
}

absl::StatusOr<Fd> FindParent(int root, absl::string_view path) {
  const std::vector<std::string> components = absl::StrSplit(path, '/');
  Fd directory(fcntl(root, F_DUPFD_CLOEXEC, 0));
  for (size_t i = 0; directory.is_open() && i + 1 < components.size(); ++i) {
    directory = Fd(OpenComponent(directory.get(), components[i],
                                 O_RDONLY | O_DIRECTORY, 0));
  }
  if (directory.is_open()) return directory;
  if (errno == ENOENT) {
    return absl::NotFoundError(absl::StrCat("there is no ", ShowPath(path)));
  }
  return FileError(errno, "open the directory of", path);
}

std::string LastComponent(absl::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

absl::StatusOr<Fd> OpenForWriting(int root, absl::string_view path,
                                  int extra_flags, mode_t mode) {
  absl::StatusOr<Fd> parent = OpenParent(root, path);
  if (!parent.ok()) return parent.status();
  // O_NONBLOCK: a FIFO that somebody put there must not hold us.
  Fd file(OpenComponent(parent->get(), LastComponent(path),
                        O_WRONLY | O_CREAT | O_NONBLOCK | extra_flags, mode));
  if (!file.is_open()) return FileError(errno, "open", path);
  return file;
}

absl::StatusOr<Fd> OpenForReading(int root, absl::string_view path,
                                  int extra_flags) {
  const std::vector<std::string> components = absl::StrSplit(path, '/');
  Fd opened;
  for (size_t i = 0; i < components.size(); ++i) {
    const bool last = i + 1 == components.size();
    const int flags =
        O_RDONLY | (last ? O_NONBLOCK | O_NOCTTY | extra_flags : O_DIRECTORY);
    opened = Fd(OpenComponent(opened.is_open() ? opened.get() : root,
                              components[i], flags, 0));
    if (opened.is_open()) continue;
    if (errno == ENOENT) {
      return absl::NotFoundError(
          absl::StrCat("no file ", ShowPath(path), " is there"));
    }
    return FileError(errno, "open", path);
  }
  return opened;
}

absl::Status WriteAll(const Fd& file, absl::string_view bytes, uint64_t offset,
                      absl::string_view path) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(file.get(), bytes.data(), bytes.size(),
                                   static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError(errno, "write", path);
    bytes.remove_prefix(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return absl::OkStatus();
}

}  // namespace muster::collector
