#include "launcher/streams/spool_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "launcher/streams/segments.h"

namespace muster::streams {
namespace {

using process::UniqueFd;

constexpr char kManifest[] = "manifest";
constexpr char kNewManifest[] = "manifest.new";
constexpr char kLock[] = "lock";
constexpr char kNewLock[] = "lock.new";
constexpr size_t kLongestManifest = 64 * 1024;

absl::Status Error(int error, const std::string& path, absl::string_view what) {
  return absl::ErrnoToStatus(error, absl::StrCat(path, ": ", what));
}

absl::Status ForCreation(const absl::Status& why) {
  return absl::Status(why.code(),
                      absl::StrCat("cannot spool the output in ", why.message(),
                                   "; give --spool-dir another directory"));
}

absl::StatusOr<UniqueFd> OpenDirectory(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return Error(errno, path, "cannot open");
  return fd;
}

// Others must not be able to put a spool of theirs in place of ours.
absl::Status CheckBase(const UniqueFd& base, const std::string& path) {
  struct stat found;
  if (fstat(base.get(), &found) != 0) return Error(errno, path, "cannot stat");
  if (found.st_uid != geteuid() && found.st_uid != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": it belongs to another user"));
  }
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
      (found.st_mode & S_ISVTX) == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": others may write there"));
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> MakeBase(const std::string& path) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(),
                                      ignored);
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return Error(errno, path, "cannot make it");
  }
  absl::StatusOr<UniqueFd> base = OpenDirectory(path);
  if (!base.ok()) return base.status();
  const absl::Status safe = CheckBase(*base, path);
  if (!safe.ok()) return safe;
  return base;
}

// For people who look into the directory; the manifest is what counts.
std::string NameFor(const Introduction& node) {
  std::string name = absl::StrCat(node.run_id().substr(0, 64), ".node",
                                  node.node_rank(), ".", node.attempt());
  for (char& c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' &&
        c != '_' && c != '-') {
      c = '_';
    }
  }
  uint64_t random = 0;
  (void)getrandom(&random, sizeof random, 0);
  return absl::StrFormat("%s.%016x", name, random);
}

// The lock appears under its name when it is held: a spool without a lock that
// is held is nobody's.
absl::StatusOr<UniqueFd> MakeLock(int directory, const std::string& path) {
  UniqueFd lock(
      openat(directory, kNewLock, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!lock.valid() || flock(lock.get(), LOCK_EX | LOCK_NB) != 0 ||
      renameat(directory, kNewLock, directory, kLock) != 0) {
    return Error(errno, path, "cannot make its lock");
  }
  return lock;
}

absl::Status WriteManifest(int directory, const std::string& path,
                           const SpoolManifest& manifest) {
  const std::string bytes = manifest.SerializeAsString();
  const UniqueFd file(openat(directory, kNewManifest,
                             O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  errno = file.valid() ? EIO : errno;
  if (!file.valid() ||
      write(file.get(), bytes.data(), bytes.size()) !=
          static_cast<ssize_t>(bytes.size()) ||
      renameat(directory, kNewManifest, directory, kManifest) != 0) {
    return Error(errno, path, "cannot write its manifest");
  }
  return absl::OkStatus();
}

absl::StatusOr<SpoolManifest> ReadManifest(int directory,
                                           const std::string& path) {
  const UniqueFd file(
      openat(directory, kManifest, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file.valid()) return Error(errno, path, "cannot open its manifest");
  std::string bytes(kLongestManifest, '\0');
  const ssize_t got = pread(file.get(), bytes.data(), bytes.size(), 0);
  if (got < 0) return Error(errno, path, "cannot read its manifest");
  bytes.resize(static_cast<size_t>(got));
  SpoolManifest manifest;
  if (!manifest.ParseFromString(bytes) || manifest.version() == 0) {
    return absl::DataLossError(
        absl::StrCat(path,
                     ": its manifest is damaged; it cannot be said "
                     "whose output this is"));
  }
  if (manifest.version() != kSpoolVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, ": it was written by muster ", manifest.muster_version(),
        " in layout ", manifest.version(), ", and this muster knows layout ",
        kSpoolVersion, "; send it with that version of muster"));
  }
  return manifest;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SpoolDirectory>> SpoolDirectory::Create(
    const std::string& base, const SpoolManifest& manifest) {
  const absl::StatusOr<UniqueFd> below = MakeBase(base);
  if (!below.ok()) return ForCreation(below.status());
  std::unique_ptr<SpoolDirectory> made(new SpoolDirectory);
  const std::string name = NameFor(manifest.introduction());
  made->path_ = absl::StrCat(base, "/", name);
  made->manifest_ = manifest;
  made->manifest_.set_version(kSpoolVersion);
  if (mkdirat(below->get(), name.c_str(), 0700) != 0) {
    return ForCreation(Error(errno, made->path_, "cannot make it"));
  }
  made->directory_.Reset(
      openat(below->get(), name.c_str(),
             O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  absl::StatusOr<UniqueFd> lock = MakeLock(made->fd(), made->path_);
  absl::Status status = lock.status();
  if (lock.ok()) {
    made->lock_ = *std::move(lock);
    status = WriteManifest(made->fd(), made->path_, made->manifest_);
  }
  if (!status.ok()) {
    made->Remove().IgnoreError();
    return ForCreation(status);
  }
  return made;
}

absl::StatusOr<std::unique_ptr<SpoolDirectory>> SpoolDirectory::OpenDead(
    const std::string& path) {
  std::unique_ptr<SpoolDirectory> opened(new SpoolDirectory);
  opened->path_ = path;
  opened->directory_.Reset(
      open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (opened->fd() < 0) return Error(errno, path, "cannot open");
  struct stat found;
  if (fstat(opened->fd(), &found) != 0) {
    return Error(errno, path, "cannot stat");
  }
  if (found.st_uid != geteuid()) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, ": it belongs to another user"));
  }
  opened->lock_.Reset(openat(opened->fd(), kLock,
                             O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!opened->lock_.valid()) {
    const int error = errno;
    return error == ENOENT
               ? absl::NotFoundError(absl::StrCat(path, ": there is no spool"))
               : Error(error, path, "cannot open its lock");
  }
  if (flock(opened->lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    return absl::UnavailableError(
        absl::StrCat(path, ": its agent lives, or another one sends it"));
  }
  absl::StatusOr<SpoolManifest> manifest = ReadManifest(opened->fd(), path);
  if (absl::IsNotFound(manifest.status())) {
    // Its agent died before anything was in it, or it was removed just now.
    opened->Remove().IgnoreError();
    return absl::NotFoundError(absl::StrCat(path, ": there is no spool"));
  }
  if (!manifest.ok()) return manifest.status();
  opened->manifest_ = *std::move(manifest);
  return opened;
}

absl::StatusOr<std::vector<std::string>> SpoolDirectory::List(
    const std::string& base) {
  const std::unique_ptr<DIR, int (*)(DIR*)> names(opendir(base.c_str()),
                                                  &closedir);
  std::vector<std::string> found;
  if (names == nullptr) {
    if (errno == ENOENT) return found;
    return Error(errno, base, "cannot read");
  }
  const auto is_spool = [&](const std::string& name) {
    return faccessat(dirfd(names.get()), absl::StrCat(name, "/", kLock).c_str(),
                     F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  };
  if (is_spool(".")) return std::vector<std::string>{base};
  while (const dirent* const entry = readdir(names.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == ".." || !is_spool(name)) continue;
    found.push_back(absl::StrCat(base, "/", name));
  }
  std::sort(found.begin(), found.end());
  return found;
}

absl::Status SpoolDirectory::Remove() {
  Segments segments(fd());
  absl::Status status = segments.Scan();
  if (!status.ok()) return status;
  while (!segments.list().empty()) segments.RemoveOldest();
  // The lock last: a spool that is half removed can still be told.
  for (const char* const name : {kNewManifest, kManifest, kNewLock, kLock}) {
    unlinkat(fd(), name, 0);
  }
  if (rmdir(path_.c_str()) != 0) {
    return Error(errno, path_, "cannot remove it");
  }
  return absl::OkStatus();
}

}  // namespace muster::streams
