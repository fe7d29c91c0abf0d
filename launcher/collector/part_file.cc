#include "launcher/collector/part_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace muster::collector {

absl::StatusOr<std::unique_ptr<PartFile>> PartFile::Create(int root,
                                                           std::string target,
                                                           uint64_t serial) {
  // Looked at now, so that a whole file is not sent in vain.
  absl::StatusOr<Fd> parent = OpenParent(root, target);
  if (!parent.ok()) return parent.status();
  struct stat found;
  if (fstatat(parent->get(), LastComponent(target).c_str(), &found,
              AT_SYMLINK_NOFOLLOW) == 0) {
    if (S_ISDIR(found.st_mode)) return FileError(EISDIR, "replace", target);
    if (S_ISLNK(found.st_mode)) return FileError(ELOOP, "replace", target);
  }
  std::unique_ptr<PartFile> part(new PartFile(
      root, std::move(target), absl::StrCat(".part-", getpid(), "-", serial)));
  absl::StatusOr<Fd> file = OpenForWriting(root, part->part_, O_EXCL, 0600);
  if (!file.ok()) {
    part->committed_ = true;  // nothing of ours to remove
    return file.status();
  }
  part->file_ = *std::move(file);
  return part;
}

PartFile::PartFile(int root, std::string target, std::string part)
    : root_(root), target_(std::move(target)), part_(std::move(part)) {}

PartFile::~PartFile() {
  if (!committed_) unlinkat(root_, part_.c_str(), 0);
}

absl::Status PartFile::Append(absl::string_view bytes) {
  const absl::Status written = WriteAll(file_, bytes, size_, target_);
  if (written.ok()) size_ += bytes.size();
  return written;
}

absl::Status PartFile::Commit(mode_t mode) {
  absl::StatusOr<Fd> parent = OpenParent(root_, target_);
  if (!parent.ok()) return parent.status();
  if (fchmod(file_.get(), mode) != 0 ||
      renameat(root_, part_.c_str(), parent->get(),
               LastComponent(target_).c_str()) != 0) {
    return FileError(errno, "finish", target_);
  }
  committed_ = true;
  file_.Close();
  return absl::OkStatus();
}

}  // namespace muster::collector
