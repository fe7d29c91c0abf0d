#include "launcher/collector/file_work.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "launcher/collector/disk.h"
#include "launcher/failpoints/failpoint.h"

namespace muster::collector {
namespace {

constexpr size_t kMaxDirectoriesApart = 8;
constexpr char kAllFiles[] = "its file system";  // in messages

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

std::string DirectoryOf(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

dev_t DeviceOf(int root) {
  struct stat found;
  return fstat(root, &found) == 0 ? found.st_dev : 0;
}

size_t FilesToSync(const FileWork& work) {
  return work.publish.size() + work.grown.size();
}

absl::Status SyncEach(FileWork& work) {
  for (FileWork::Publish& file : work.publish) {
    const int fd = file.part ? file.part->file() : file.file.get();
    // A new size is all that is needed beside the data, and fdatasync does it.
    const absl::Status synced = SyncData(fd, file.target);
    if (!synced.ok()) return synced;
  }
  for (const FileWork::Grown& file : work.grown) {
    const absl::Status synced = SyncData(file.file->get(), file.target);
    if (!synced.ok()) return synced;
  }
  return absl::OkStatus();
}

// A directory at a time stays open: files come directory by directory.
class Renamer {
 public:
  explicit Renamer(const FileWork& work) : work_(work) {}

  absl::Status Rename(const std::string& part, const std::string& target,
                      uint64_t* replaced) {
    const std::string directory = DirectoryOf(target);
    if (!open_.is_open() || directory != directory_) {
      absl::StatusOr<Fd> parent = OpenParent(work_.home.root, target);
      if (!parent.ok()) return parent.status();
      open_ = *std::move(parent);
      directory_ = directory;
    }
    const std::string name = LastComponent(target);
    struct stat found;
    if (fstatat(open_.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0) {
      if (S_ISDIR(found.st_mode)) return FileError(EISDIR, "replace", target);
      if (S_ISLNK(found.st_mode)) return FileError(ELOOP, "replace", target);
      *replaced = std::min<uint64_t>(found.st_size, 512ull * found.st_blocks);
    }
    if (renameat(work_.parts, part.c_str(), open_.get(), name.c_str()) != 0) {
      return FileError(errno, "give its name to", target);
    }
    return absl::OkStatus();
  }

 private:
  const FileWork& work_;
  std::string directory_;
  Fd open_;
};

void RenameAll(FileWork& work) {
  Renamer renamer(work);
  for (FileWork::Publish& file : work.publish) {
    file.status = renamer.Rename(file.part ? file.part->name() : file.name,
                                 file.target, &file.replaced_bytes);
    if (file.status.ok()) {
      file.is_published = true;
      work.changed.insert(DirectoryOf(file.target));
      if (file.part) file.part->RemoveRecord();
    } else if (file.status.code() != absl::StatusCode::kInvalidArgument &&
               file.status.code() != absl::StatusCode::kFailedPrecondition) {
      work.status = file.status;
      return;
    }
  }
}

// Those that nobody will ask for.
void RemoveUnpublished(FileWork& work) {
  for (FileWork::Publish& file : work.publish) {
    if (file.is_published) continue;
    if (file.part) {
      file.part->Remove();
    } else {
      unlinkat(work.parts, file.name.c_str(), 0);
    }
  }
}

// Of regular files, without links, down to the depth that paths may have.
void Count(const Fd& directory, size_t depth, uint64_t* bytes) {
  const int fd = fcntl(directory.get(), F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return;
  const std::unique_ptr<DIR, CloseDirectory> listing(fdopendir(fd));
  if (!listing) {
    close(fd);
    return;
  }
  while (const dirent* const entry = readdir(listing.get())) {
    const std::string name = entry->d_name;
    struct stat found;
    if (name == "." || name == ".." ||
        fstatat(directory.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW)) {
      continue;
    }
    if (S_ISREG(found.st_mode)) *bytes += static_cast<uint64_t>(found.st_size);
    if (!S_ISDIR(found.st_mode) || depth == 0) continue;
    const Fd below(openat(directory.get(), name.c_str(),
                          O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (below.is_open()) Count(below, depth - 1, bytes);
  }
}

uint64_t CountBelow(int root, const std::string& path) {
  uint64_t bytes = 0;
  const absl::StatusOr<Fd> directory = FindParent(root, path + "/.");
  if (directory.ok()) Count(*directory, kMaxPathDepth, &bytes);
  return bytes;
}

// Syncs once for all works of a file system, or file by file.
void SyncFiles(absl::Span<FileWork* const> works,
               const std::map<dev_t, size_t>& files) {
  std::map<dev_t, absl::Status> synced;
  for (FileWork* const work : works) {
    if (!work->status.ok() || FilesToSync(*work) == 0) continue;
    const dev_t device = DeviceOf(work->home.root);
    if (files.at(device) <= kMaxSyncedApart) {
      work->status = SyncEach(*work);
      continue;
    }
    const auto [one, is_first] = synced.try_emplace(device);
    if (is_first) {
      one->second = SyncFileSystem(work->home.root, kAllFiles);
    }
    work->status = one->second;
  }
}

void SyncNames(FileWork& work) {
  std::set<std::string> needed;
  for (const std::string& directory : work.changed) {
    work.directories->Needed(directory, &needed);
  }
  if (needed.size() > kMaxDirectoriesApart) {
    work.status = SyncFileSystem(work.home.root, kAllFiles);
  }
  if (needed.size() <= kMaxDirectoriesApart) {
    for (const std::string& directory : needed) {
      if (!work.status.ok()) return;
      work.status = SyncDirectoryBelow(work.home.root, directory);
    }
  }
  if (!work.status.ok()) return;
  for (const std::string& directory : work.changed) {
    work.directories->Synced(directory);
  }
}

}  // namespace

void RunFileWork(absl::Span<FileWork* const> works) {
  std::map<dev_t, size_t> files;  // to be synced, by file system
  for (FileWork* const work : works) {
    files[DeviceOf(work->home.root)] += FilesToSync(*work);
  }
  SyncFiles(works, files);
  for (FileWork* const work : works) {
    if (!work->publish.empty()) MUSTER_FAILPOINT("collector.before_rename");
    if (work->status.ok()) RenameAll(*work);
    RemoveUnpublished(*work);
    if (work->status.ok()) SyncNames(*work);
    work->status = work->home.Named(work->status);
    for (FileWork::Verify& one : work->verify) one.part->Verify();
    if (work->status.ok() && !work->count_below.empty()) {
      work->totals = {
          .log_bytes = CountBelow(work->home.root, work->count_below + "/logs"),
          .output_bytes =
              CountBelow(work->home.root, work->count_below + "/outputs")};
    }
  }
}

}  // namespace muster::collector
