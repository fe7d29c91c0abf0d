#include "launcher/collector/followed_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace muster::collector {
namespace {

std::string DirectoryOf(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

uint64_t BytesOf(const struct stat& found) {
  return std::min<uint64_t>(static_cast<uint64_t>(found.st_size),
                            512ull * static_cast<uint64_t>(found.st_blocks));
}

}  // namespace

absl::Status CheckNodePath(const std::string& path) {
  const absl::Status checked = CheckRelativePath(path);
  if (!checked.ok()) return checked;
  if (absl::StartsWith(path, "logs/") || absl::StartsWith(path, "outputs/")) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "path \"", ShowPath(path), "\" is not below logs/ or outputs/"));
}

std::string NodeTarget(uint32_t node, const std::string& path) {
  return absl::StrCat("nodes/node", node, "/", path);
}

mode_t NodeFileMode(uint32_t mode) { return (mode & 0755) | 0600; }

absl::StatusOr<uint64_t> CheckTarget(int root, const std::string& target) {
  const absl::StatusOr<Fd> parent = FindParent(root, target);
  if (absl::IsNotFound(parent.status())) return 0;
  if (!parent.ok()) return parent.status();
  struct stat found;
  if (fstatat(parent->get(), LastComponent(target).c_str(), &found,
              AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return 0;
    return FileError(errno, "look at", target);
  }
  if (S_ISDIR(found.st_mode)) return FileError(EISDIR, "replace", target);
  if (S_ISLNK(found.st_mode)) return FileError(ELOOP, "replace", target);
  return BytesOf(found);
}

FollowedFiles::FollowedFiles(FileStore& store, uint32_t node)
    : store_(store), node_(node) {}

std::string FollowedFiles::Target(const std::string& path) const {
  return NodeTarget(node_, path);
}

absl::Status FollowedFiles::Open(const FileOpen& open) {
  if (files_.size() >= kMost) {
    return absl::InvalidArgumentError(absl::StrCat(
        ShowPath(open.path()), ": ", kMost, " files are followed already"));
  }
  auto file = std::make_unique<File>(store_.cache(), Target(open.path()));
  const absl::StatusOr<uint64_t> replaced =
      CheckTarget(store_.home().root, file->target);
  if (!replaced.ok()) return replaced.status();
  if (open.offset() == 0) {
    const absl::Status made = MakeEmpty(open, *file);
    if (!made.ok()) return made;
    store_.home().quota->Refund(*replaced);
  } else {
    const absl::StatusOr<std::shared_ptr<Fd>> fd = Use(*file);
    if (!fd.ok()) return fd.status();
    struct stat found;
    if (fstat((*fd)->get(), &found) != 0) {
      return FileError(errno, "look at", file->target);
    }
    if (static_cast<uint64_t>(found.st_size) < open.offset()) {
      return absl::NotFoundError(absl::StrCat(ShowPath(open.path()),
                                              " holds only ", found.st_size,
                                              " of ", open.offset(), " bytes"));
    }
    if (ftruncate((*fd)->get(), static_cast<off_t>(open.offset())) != 0) {
      return FileError(errno, "cut", file->target);
    }
    store_.home().quota->Refund(static_cast<uint64_t>(found.st_size) -
                                open.offset());
  }
  file->offset = open.offset();
  file->changed = true;
  // Two do not write to one file.
  for (auto i = files_.begin(); i != files_.end();) {
    i = i->second->target == file->target ? Erase(i) : std::next(i);
  }
  files_[open.transfer()] = std::move(file);
  return absl::OkStatus();
}

// Another inode, so that readers of the old file are not disturbed.
absl::Status FollowedFiles::MakeEmpty(const FileOpen& open, File& file) {
  const int parts = store_.parts().directory();
  const std::string name = store_.parts().NewName(node_);
  auto fd = std::make_shared<Fd>(
      openat(parts, name.c_str(),
             O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd->is_open()) return FileError(errno, "make", file.target);
  absl::Cleanup remove = [&] { unlinkat(parts, name.c_str(), 0); };
  absl::StatusOr<Fd> parent = OpenParent(store_.home().root, file.target);
  if (!parent.ok()) return parent.status();
  if (fchmod(fd->get(), NodeFileMode(open.mode())) != 0 ||
      renameat(parts, name.c_str(), parent->get(),
               LastComponent(file.target).c_str()) != 0) {
    return FileError(errno, "make", file.target);
  }
  std::move(remove).Cancel();
  changed_.insert(DirectoryOf(file.target));
  file.place.Put(std::move(fd));
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Fd>> FollowedFiles::Use(File& file) {
  std::shared_ptr<Fd> open = file.place.Use();
  if (open) return open;
  absl::StatusOr<Fd> parent = FindParent(store_.home().root, file.target);
  if (!parent.ok()) return parent.status();
  open = std::make_shared<Fd>(
      openat(parent->get(), LastComponent(file.target).c_str(),
             O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!open->is_open()) {
    if (errno == ENOENT) {
      return absl::NotFoundError(
          absl::StrCat("there is no ", ShowPath(file.target)));
    }
    return FileError(errno, "open", file.target);
  }
  file.place.Put(open);
  return open;
}

absl::Status FollowedFiles::Append(const FileData& data) {
  File& file = *files_.at(data.transfer());
  if (data.offset() != file.offset) {
    return absl::InvalidArgumentError(
        absl::StrCat(ShowPath(file.target), ": bytes out of order: offset ",
                     data.offset(), " where the file is at ", file.offset));
  }
  const absl::StatusOr<std::shared_ptr<Fd>> fd = Use(file);
  if (!fd.ok()) return fd.status();
  const absl::Status written =
      WriteAll(**fd, data.data(), file.offset, file.target);
  if (!written.ok()) return written;
  file.offset += data.data().size();
  file.unanswered += data.data().size();
  unanswered_ += data.data().size();
  file.changed = true;
  return absl::OkStatus();
}

absl::Status FollowedFiles::Close(uint64_t transfer) {
  File& file = *files_.at(transfer);
  const absl::StatusOr<std::shared_ptr<Fd>> fd = Use(file);
  if (!fd.ok()) return fd.status();
  closed_.push_back({.transfer = transfer,
                     .file = *fd,
                     .target = file.target,
                     .offset = file.offset,
                     .window = file.unanswered});
  done_.push_back(transfer);
  files_.erase(transfer);  // its unanswered bytes are with closed_
  return absl::OkStatus();
}

FollowedFiles::Files::iterator FollowedFiles::Erase(Files::iterator at) {
  unanswered_ -= at->second->unanswered;
  return files_.erase(at);
}

void FollowedFiles::Forget(uint64_t transfer) {
  const auto found = files_.find(transfer);
  if (found != files_.end()) Erase(found);
}

absl::Status FollowedFiles::Move(const FileMove& move) {
  const std::string from = Target(move.from());
  const std::string to = Target(move.to());
  const int root = store_.home().root;
  const absl::StatusOr<uint64_t> there = CheckTarget(root, from);
  if (!there.ok()) return there.status();
  const absl::StatusOr<uint64_t> replaced = CheckTarget(root, to);
  if (!replaced.ok()) return replaced.status();
  const absl::StatusOr<Fd> source = FindParent(root, from);
  struct stat found;
  if (absl::IsNotFound(source.status()) ||
      (source.ok() && fstatat(source->get(), LastComponent(from).c_str(),
                              &found, AT_SYMLINK_NOFOLLOW) != 0)) {
    return absl::FailedPreconditionError(
        absl::StrCat("there is no ", ShowPath(from)));
  }
  if (!source.ok()) return source.status();
  const absl::StatusOr<Fd> parent = OpenParent(root, to);
  if (!parent.ok()) return parent.status();
  if (renameat(source->get(), LastComponent(from).c_str(), parent->get(),
               LastComponent(to).c_str()) != 0) {
    return FileError(errno, "rename", from);
  }
  if (from != to) store_.home().quota->Refund(*replaced);
  for (auto i = files_.begin(); i != files_.end();) {
    std::string& target = i->second->target;
    const bool gone = target == to && from != to;
    if (target == from) target = to;
    i = gone ? Erase(i) : std::next(i);
  }
  changed_.insert(DirectoryOf(from));
  changed_.insert(DirectoryOf(to));
  done_.push_back(move.transfer());
  return absl::OkStatus();
}

void FollowedFiles::Collect(FileWork* work) {
  for (auto& [transfer, file] : files_) {
    if (!file->changed) continue;
    const absl::StatusOr<std::shared_ptr<Fd>> fd = Use(*file);
    if (!fd.ok()) continue;  // the next bytes for it will say so
    work->grown.push_back({.transfer = transfer,
                           .file = *fd,
                           .target = file->target,
                           .offset = file->offset,
                           .window = file->unanswered});
    unanswered_ -= file->unanswered;
    file->unanswered = 0;
    file->changed = false;
  }
  for (FileWork::Grown& file : closed_) {
    unanswered_ -= file.window;
    work->grown.push_back(std::move(file));
  }
  closed_.clear();
  work->changed.merge(changed_);
  changed_.clear();
  work->done.insert(work->done.end(), done_.begin(), done_.end());
  done_.clear();
}

}  // namespace muster::collector
