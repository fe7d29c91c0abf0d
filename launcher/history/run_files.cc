#include "launcher/history/run_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace muster::history {
namespace {

using collector::FileError;
using collector::ShowPath;

// Two of them fit into a message of 4 MiB. A run.json of a thousand nodes has
// a tenth.
constexpr size_t kMaxSmallFile = 2'000'000;
static_assert(2 * kMaxSmallFile + (64 << 10) <= 4 << 20);
constexpr size_t kMaxRunId = 64;
constexpr int64_t kNanoseconds = 1'000'000'000;

int64_t Nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * kNanoseconds + time.tv_nsec;
}

absl::Status NotAFile(absl::string_view path) {
  return absl::FailedPreconditionError(
      absl::StrCat(ShowPath(path), " is no regular file"));
}

// The collector's own, at the top of a run.
bool IsHidden(absl::string_view name) {
  return absl::StartsWith(name, ".muster") || absl::StartsWith(name, ".part-");
}

absl::Status CheckPath(absl::string_view path) {
  if (absl::Status status = collector::CheckRelativePath(path); !status.ok()) {
    return status;
  }
  if (IsHidden(path.substr(0, path.find('/')))) {
    return absl::NotFoundError(
        absl::StrCat("no file ", ShowPath(path), " is there"));
  }
  return absl::OkStatus();
}

FileEntry ToEntry(const struct stat& found, absl::string_view path) {
  FileEntry entry;
  entry.set_path(path.data(), path.size());
  entry.set_size(static_cast<uint64_t>(found.st_size));
  entry.set_mtime_ns(Nanoseconds(found.st_mtim));
  entry.set_mode(found.st_mode & 0777);
  return entry;
}

// Job: one walk below a run's directory. What goes away meanwhile is not in
// it. Life cycle: made, Into() once. Threads: one.
class Walk {
 public:
  explicit Walk(absl::string_view prefix) : prefix_(prefix) {}

  absl::Status Into(int directory, const std::string& path, size_t depth) {
    const absl::StatusOr<std::vector<std::string>> names =
        Names(directory, path);
    if (!names.ok()) return names.status();
    for (const std::string& name : *names) {
      if (depth == 0 && IsHidden(name)) continue;
      const std::string below = path.empty() ? name : path + "/" + name;
      absl::Status looked = Look(directory, name, below, depth);
      if (!looked.ok()) return looked;
    }
    return absl::OkStatus();
  }

  std::vector<FileEntry> Take() {
    std::sort(found_.begin(), found_.end(),
              [](const FileEntry& a, const FileEntry& b) {
                return a.path() < b.path();
              });
    return std::move(found_);
  }

 private:
  absl::Status Look(int directory, const std::string& name,
                    const std::string& path, size_t depth) {
    struct stat found;
    if (fstatat(directory, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
      return errno == ENOENT ? absl::OkStatus()
                             : FileError(errno, "look at", path);
    }
    if (S_ISREG(found.st_mode) && absl::StartsWith(path, prefix_)) {
      found_.push_back(ToEntry(found, path));
    }
    const bool leads_there = absl::StartsWith(path + "/", prefix_) ||
                             absl::StartsWith(prefix_, path + "/");
    if (!S_ISDIR(found.st_mode) || !leads_there ||
        depth + 1 >= collector::kMaxPathDepth) {
      return absl::OkStatus();
    }
    const absl::StatusOr<Fd> below =
        collector::OpenForReading(directory, name, O_DIRECTORY);
    if (absl::IsNotFound(below.status())) return absl::OkStatus();
    if (!below.ok()) return below.status();
    return Into(below->get(), path, depth + 1);
  }

  const absl::string_view prefix_;
  std::vector<FileEntry> found_;
};

// The sizes as the report has them; false where it does not.
bool SizesOfReport(RunSummary* summary) {
  const auto report =
      nlohmann::json::parse(summary->report_json(), nullptr, false);
  if (!report.is_object() || !report.contains("bytes")) return false;
  const auto& bytes = report["bytes"];
  if (!bytes.is_object()) return false;
  for (const char* const name : {"logs", "outputs"}) {
    if (!bytes.contains(name) || !bytes[name].is_number_unsigned()) {
      return false;
    }
  }
  summary->set_log_bytes(bytes["logs"].get<uint64_t>());
  summary->set_output_bytes(bytes["outputs"].get<uint64_t>());
  return true;
}

// Which of the two sums a file of a run belongs to.
void Count(const FileEntry& file, RunSummary* summary) {
  const absl::string_view path = file.path();
  const bool is_workers =
      absl::StartsWith(path, "logs/") &&
      (absl::EndsWith(path, ".stdout") || absl::EndsWith(path, ".stderr"));
  absl::string_view below;
  if (absl::StartsWith(path, "nodes/")) {
    below = path.substr(std::min(path.find('/', 6), path.size()));
  }
  if (is_workers || absl::StartsWith(below, "/logs/")) {
    summary->set_log_bytes(summary->log_bytes() + file.size());
  } else if (absl::StartsWith(below, "/outputs/")) {
    summary->set_output_bytes(summary->output_bytes() + file.size());
  }
}

}  // namespace

absl::StatusOr<Fd> OpenDirectory(const std::string& path) {
  Fd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.is_open()) return directory;
  if (errno == ENOENT) {
    return absl::NotFoundError(
        absl::StrCat("no directory ", ShowPath(path), " is there"));
  }
  return FileError(errno, "open", path);
}

bool IsRunId(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxRunId && text != "." &&
         text != ".." && !absl::StartsWith(text, ".muster") &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
         });
}

bool IsRun(int directory) {
  // `muster sim` keeps the nodes' working directories beside the run's, where
  // none of these stands.
  for (const char* const name : {"run.json", ".muster", "logs"}) {
    if (faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) return true;
  }
  return false;
}

absl::StatusOr<std::vector<std::string>> ListRunIds(int run_dir) {
  absl::StatusOr<std::vector<std::string>> names = Names(run_dir, "");
  if (!names.ok()) return names.status();
  std::vector<std::string> ids;
  for (std::string& name : *names) {
    if (OpenRun(run_dir, name).ok()) ids.push_back(std::move(name));
  }
  return ids;
}

absl::StatusOr<Fd> OpenRun(int run_dir, const std::string& run_id) {
  if (!IsRunId(run_id)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", ShowPath(run_id),
                     "\" is no run id: 1 to 64 of A-Z a-z 0-9 . _ -"));
  }
  absl::StatusOr<Fd> run =
      collector::OpenForReading(run_dir, run_id, O_DIRECTORY);
  if (absl::IsNotFound(run.status()) || (run.ok() && !IsRun(run->get()))) {
    return absl::NotFoundError(absl::StrCat("no run ", run_id, " is there"));
  }
  return run;
}

absl::StatusOr<RunSummary> Summarize(int run, const std::string& run_id,
                                     bool sizes) {
  RunSummary summary;
  summary.set_run_id(run_id);
  // The report first: when it is there, run.json is complete.
  for (const bool report : {true, false}) {
    const absl::StatusOr<std::string> text =
        ReadSmallFile(run, report ? "report.json" : "run.json");
    if (!text.ok()) return text.status();
    (report ? summary.mutable_report_json() : summary.mutable_run_json())
        ->assign(*text);
  }
  const auto is_later = [&summary](int64_t mtime_ns) {
    summary.set_changed_unix_ms(
        std::max(summary.changed_unix_ms(), mtime_ns / 1'000'000));
  };
  struct stat found;
  if (fstat(run, &found) == 0) is_later(Nanoseconds(found.st_mtim));
  const bool known = SizesOfReport(&summary);
  if (!sizes || known) return summary;
  const absl::StatusOr<std::vector<FileEntry>> files = ListFiles(run, "");
  if (!files.ok()) return files.status();
  for (const FileEntry& file : *files) {
    Count(file, &summary);
    is_later(file.mtime_ns());
  }
  return summary;
}

absl::StatusOr<Fd> OpenFile(int run, absl::string_view path) {
  if (absl::Status status = CheckPath(path); !status.ok()) return status;
  absl::StatusOr<Fd> file = collector::OpenForReading(run, path);
  if (!file.ok()) return file.status();
  struct stat found;
  if (fstat(file->get(), &found) != 0) return FileError(errno, "open", path);
  if (!S_ISREG(found.st_mode)) return NotAFile(path);
  return file;
}

absl::StatusOr<std::string> ReadSmallFile(int run, absl::string_view path) {
  const absl::StatusOr<Fd> file = OpenFile(run, path);
  if (absl::IsNotFound(file.status())) return "";
  if (!file.ok()) return file.status();
  const absl::StatusOr<FileEntry> entry = Describe(file->get(), path);
  if (!entry.ok()) return entry.status();
  if (entry->size() > kMaxSmallFile) return "";
  return ReadAt(file->get(), 0, entry->size(), path);
}

absl::StatusOr<std::vector<FileEntry>> ListFiles(int run,
                                                 absl::string_view prefix) {
  Walk walk(prefix);
  const absl::Status walked = walk.Into(run, "", 0);
  if (!walked.ok()) return walked;
  return walk.Take();
}

absl::StatusOr<FileEntry> Describe(int file, absl::string_view path) {
  struct stat found;
  if (fstat(file, &found) != 0) return FileError(errno, "look at", path);
  return ToEntry(found, path);
}

absl::StatusOr<std::vector<std::string>> Names(int directory,
                                               absl::string_view path) {
  // A descriptor of its own, since readdir moves the file's position.
  const int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(
      copy < 0 ? nullptr : fdopendir(copy), closedir);
  if (!stream) {
    const int error = errno;
    if (copy >= 0) close(copy);
    return FileError(error, "list", path);
  }
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* const entry = readdir(stream.get());
    if (!entry) break;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  if (errno != 0) return FileError(errno, "list", path);
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::string> ReadAt(int file, uint64_t offset, size_t most,
                                   absl::string_view path) {
  std::string bytes(most, '\0');
  size_t size = 0;
  while (size < most) {
    const ssize_t n = pread(file, bytes.data() + size, most - size,
                            static_cast<off_t>(offset + size));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError(errno, "read", path);
    if (n == 0) break;
    size += static_cast<size_t>(n);
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace muster::history
