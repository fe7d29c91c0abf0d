#include "launcher/history/download.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "launcher/collector/beneath.h"

namespace muster::history {
namespace {

using collector::Fd;
using collector::FileError;
using collector::ShowPath;

constexpr int64_t kNanoseconds = 1'000'000'000;
constexpr int kTries = 3;

timespec ToTime(int64_t ns) {
  timespec time = {};
  time.tv_sec = ns / kNanoseconds;
  time.tv_nsec = ns % kNanoseconds;
  if (time.tv_nsec < 0) {
    time.tv_nsec += kNanoseconds;
    --time.tv_sec;
  }
  return time;
}

// FNV-1a: only to tell names apart, which nobody here makes collide but for
// files of his own.
uint64_t Hash(absl::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) {
    hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  }
  return hash;
}

// Another one for each version of the source.
std::string PartName(const FileEntry& file, const std::string& target) {
  return absl::StrFormat(
      ".part-%016x", Hash(absl::StrCat(target, "\n", file.path(), "\n",
                                       file.size(), "\n", file.mtime_ns())));
}

absl::Status NoSpace(absl::string_view path) {
  return absl::ResourceExhaustedError(
      absl::StrCat("no space is left for ", ShowPath(path)));
}

absl::Status WriteError(absl::string_view doing, absl::string_view path) {
  if (errno == ENOSPC || errno == EDQUOT) return NoSpace(path);
  return FileError(errno, doing, path);
}

// Job: one copy. Life cycle: made, Run once. Threads: one.
class Copy {
 public:
  Copy(RunSource& source, const std::string& run_id, const SelectedFile& file,
       absl::FunctionRef<void(uint64_t)> on_bytes)
      : source_(source), run_id_(run_id), file_(file), on_bytes_(on_bytes) {}

  absl::StatusOr<Got> Run(int root) {
    const std::string& target = file_.target;
    if (absl::Status status = collector::CheckRelativePath(target);
        !status.ok()) {
      return status;
    }
    absl::StatusOr<Fd> parent = collector::OpenParent(root, target);
    if (!parent.ok()) {
      return absl::IsResourceExhausted(parent.status()) ? NoSpace(target)
                                                        : parent.status();
    }
    parent_ = *std::move(parent);
    name_ = collector::LastComponent(target);
    const absl::StatusOr<bool> there = IsThere();
    if (!there.ok()) return there.status();
    if (*there) return Got::kWasThere;

    part_name_ = PartName(file_.file, target);
    absl::Status status = OpenPart();
    if (status.ok()) status = Fetch();
    if (status.ok()) status = Finish();
    if (!status.ok()) {
      RemoveEmptyPart();
      return status;
    }
    return Got::kCopied;
  }

 private:
  absl::StatusOr<bool> IsThere() const {
    struct stat found;
    if (fstatat(parent_.get(), name_.c_str(), &found, AT_SYMLINK_NOFOLLOW) !=
        0) {
      return false;
    }
    if (S_ISDIR(found.st_mode)) {
      return FileError(EISDIR, "replace", file_.target);
    }
    const timespec time = ToTime(file_.file.mtime_ns());
    return S_ISREG(found.st_mode) &&
           static_cast<uint64_t>(found.st_size) == file_.file.size() &&
           found.st_mtim.tv_sec == time.tv_sec &&
           found.st_mtim.tv_nsec == time.tv_nsec;
  }

  absl::Status OpenPart() {
    while (true) {
      absl::StatusOr<Fd> part =
          collector::OpenForWriting(parent_.get(), part_name_, 0, 0600);
      if (!part.ok()) {
        return absl::IsResourceExhausted(part.status()) ? NoSpace(file_.target)
                                                        : part.status();
      }
      part_ = *std::move(part);
      if (flock(part_.get(), LOCK_EX | LOCK_NB) != 0) {
        part_.Close();
        return absl::UnavailableError(
            absl::StrCat("another muster get writes ", ShowPath(file_.target)));
      }
      struct stat found;
      if (fstat(part_.get(), &found) != 0 || !S_ISREG(found.st_mode)) {
        return FileError(EEXIST, "write", part_name_);
      }
      // It may have got its name, or have been removed, before it was locked.
      if (found.st_nlink == 0) continue;
      offset_ = static_cast<uint64_t>(found.st_size);
      struct stat named;
      if (fstatat(parent_.get(), part_name_.c_str(), &named,
                  AT_SYMLINK_NOFOLLOW) == 0 &&
          named.st_ino == found.st_ino) {
        return absl::OkStatus();
      }
    }
  }

  absl::Status Fetch() {
    entry_ = file_.file;
    absl::Status status;
    for (int i = 0; i < kTries; ++i) {
      ReadRequest request;
      request.set_run_id(run_id_);
      request.set_path(file_.file.path());
      request.set_offset(offset_);
      if (offset_ > 0) request.set_if_mtime_ns(entry_.mtime_ns());
      status = source_.Read(
          request, [this](const ReadChunk& chunk) { return Take(chunk); });
      if (!absl::IsAborted(status)) return status;
      // Another version: none of the bytes of this one will do.
      offset_ = 0;
      if (ftruncate(part_.get(), 0) != 0) {
        return WriteError("write", file_.target);
      }
    }
    return status;
  }

  absl::Status Take(const ReadChunk& chunk) {
    if (chunk.has_file()) entry_ = chunk.file();
    if (chunk.data().empty()) return absl::OkStatus();
    if (chunk.offset() < offset_ || chunk.data().size() > entry_.size() ||
        chunk.offset() > entry_.size() - chunk.data().size()) {
      return absl::InternalError(absl::StrCat(
          "the source sends bytes that are not in ", ShowPath(entry_.path())));
    }
    const absl::Status written =
        collector::WriteAll(part_, chunk.data(), chunk.offset(), file_.target);
    if (absl::IsResourceExhausted(written)) return NoSpace(file_.target);
    if (!written.ok()) return written;
    offset_ = chunk.offset() + chunk.data().size();
    on_bytes_(chunk.data().size());
    return absl::OkStatus();
  }

  absl::Status Finish() {
    const timespec times[] = {{0, UTIME_OMIT}, ToTime(entry_.mtime_ns())};
    if (ftruncate(part_.get(), static_cast<off_t>(entry_.size())) != 0 ||
        fchmod(part_.get(), entry_.mode() & 0777) != 0 ||
        futimens(part_.get(), times) != 0 ||
        renameat(parent_.get(), part_name_.c_str(), parent_.get(),
                 name_.c_str()) != 0) {
      return WriteError("finish", file_.target);
    }
    return absl::OkStatus();
  }

  // One with bytes is kept: the next try goes on with it.
  void RemoveEmptyPart() {
    struct stat found;
    if (part_.is_open() && fstat(part_.get(), &found) == 0 &&
        found.st_size == 0) {
      unlinkat(parent_.get(), part_name_.c_str(), 0);
    }
  }

  RunSource& source_;
  const std::string& run_id_;
  const SelectedFile& file_;
  const absl::FunctionRef<void(uint64_t)> on_bytes_;
  Fd parent_;
  std::string name_;
  std::string part_name_;
  Fd part_;
  FileEntry entry_;      // of the version that is read
  uint64_t offset_ = 0;  // so much of it is here
};

}  // namespace

absl::StatusOr<Got> Download(RunSource& source, const std::string& run_id,
                             const SelectedFile& file, int root,
                             absl::FunctionRef<void(uint64_t)> on_bytes) {
  return Copy(source, run_id, file, on_bytes).Run(root);
}

}  // namespace muster::history
