#include "launcher/collector/run_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "launcher/collector/disk.h"
#include "launcher/collector/lock_file.h"
#include "launcher/collector/names.h"
#include "launcher/collector/node_key.h"

namespace muster::collector {
namespace {

constexpr char kLock[] = ".muster-collect.lock";
constexpr char kUnfinished[] = ".muster-new-";
// Runs that nobody uses any more are kept open up to this number of runs.
constexpr size_t kMostIdle = 64;

Fd OpenNoLink(const std::string& path) {
  return Fd(
      open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

Fd OpenAsDirectory(const std::string& path) {
  return Fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

}  // namespace

absl::StatusOr<std::unique_ptr<RunStore>> RunStore::Open(
    const Options& options) {
  std::unique_ptr<RunStore> store(new RunStore(options));
  const absl::Status opened = store->OpenDirectory();
  if (!opened.ok()) return opened;
  return store;
}

absl::Status RunStore::OpenDirectory() {
  const std::string& path = options_.directory;
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return FileError(error.value(), "make", path);
  directory_ = OpenAsDirectory(path);
  if (!directory_.is_open()) return FileError(errno, "open", path);
  if (options_.exclusive) {
    absl::StatusOr<Fd> lock = LockFile(directory_.get(), kLock, path);
    if (!lock.ok()) return lock.status();
    lock_ = *std::move(lock);
    RemoveUnfinished();
    return absl::OkStatus();
  }
  // Better now than when the first run comes.
  std::string probe = absl::StrCat(path, "/", kUnfinished, "XXXXXX");
  if (mkdtemp(probe.data()) == nullptr) return FileError(errno, "use", path);
  rmdir(probe.c_str());
  return absl::OkStatus();
}

// What a collector that was killed left of runs that it was making.
void RunStore::RemoveUnfinished() {
  namespace fs = std::filesystem;
  std::error_code error;
  for (fs::directory_iterator entry(options_.directory, error), end;
       !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!absl::StartsWith(name, kUnfinished)) continue;
    const Fd directory = OpenAsDirectory(entry->path().string());
    if (flock(directory.get(), LOCK_EX | LOCK_NB) != 0) continue;
    std::error_code ignored;
    fs::remove_all(entry->path(), ignored);
  }
}

std::string RunStore::PathOf(const std::string& run_id) const {
  return absl::StrCat(options_.directory, "/", run_id);
}

absl::StatusOr<std::shared_ptr<Run>> RunStore::OpenOrCreate(
    const std::string& run_id, absl::string_view run_key) {
  if (!IsRunId(run_id)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "run id \"", ShowPath(run_id),
        "\" is not 1 to 64 letters, digits, dots, dashes or underscores, or "
        "begins with ",
        kPrivate));
  }
  if (run_key.size() != kKeyBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the key of run ", run_id, " is not ", kKeyBytes, " bytes"));
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  const absl::Status created = Create(run_id, run_key);
  if (!created.ok() && !absl::IsAlreadyExists(created)) return created;
  absl::StatusOr<std::shared_ptr<Run>> run = OpenRun(run_id, created.ok());
  if (absl::IsNotFound(run.status())) return created;  // none of ours
  if (!run.ok()) return run.status();
  const absl::Status claimed = (*run)->Claim(run_key);
  if (!claimed.ok()) return claimed;
  return run;
}

absl::Status RunStore::Create(const std::string& run_id,
                              absl::string_view run_key) {
  const std::string path = PathOf(run_id);
  const absl::Status exists = AnotherRuns(path);
  struct stat found;
  if (lstat(path.c_str(), &found) == 0) return exists;
  std::string unfinished =
      absl::StrCat(options_.directory, "/", kUnfinished, "XXXXXX");
  if (mkdtemp(unfinished.data()) == nullptr) {
    return FileError(errno, "make run directory", path);
  }
  absl::Cleanup remove = [&unfinished] {
    std::error_code ignored;
    std::filesystem::remove_all(unfinished, ignored);
  };
  const Fd root = OpenAsDirectory(unfinished);
  if (flock(root.get(), LOCK_EX | LOCK_NB) != 0 ||
      fchmod(root.get(), 0755) != 0) {
    return FileError(errno, "make run directory", path);
  }
  const absl::Status made = Run::Create(root.get(), path, run_key);
  if (!made.ok()) return made;
  if (rename(unfinished.c_str(), path.c_str()) != 0) {
    if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR) {
      return exists;
    }
    return FileError(errno, "make run directory", path);
  }
  std::move(remove).Cancel();
  return SyncDirectory(directory_.get(), options_.directory);
}

absl::Status RunStore::CreateFor(const Introduction& orphaned) {
  const absl::Status sound = NodeRegister().Check(orphaned);
  if (!sound.ok()) return sound;
  if (orphaned.key().size() != kKeyBytes) {
    return absl::PermissionDeniedError(
        absl::StrCat("node ", orphaned.node_rank(), " of run ",
                     orphaned.run_id(), " shows no key"));
  }
  return Create(orphaned.run_id(), "");
}

absl::StatusOr<std::shared_ptr<Run>> RunStore::OpenRun(
    const std::string& run_id, bool is_new) {
  const auto found = open_.find(run_id);
  if (found != open_.end()) return found->second;
  absl::StatusOr<std::shared_ptr<Run>> run = Run::Open(
      PathOf(run_id),
      {.quota = options_.run_quota, .cache = &cache_, .is_new = is_new});
  if (!run.ok()) return run;
  // A collector that was killed may have made it without having its name on the
  // disk.
  const absl::Status synced =
      SyncDirectory(directory_.get(), options_.directory);
  if (!synced.ok()) return synced;
  // Whoever uses a run has got it under this mutex, or from another user.
  if (open_.size() >= kMostIdle) {
    std::erase_if(
        open_, [](const auto& open) { return open.second.use_count() == 1; });
  }
  open_[run_id] = *run;
  return run;
}

absl::StatusOr<std::shared_ptr<Run>> RunStore::Admit(
    const Introduction& introduction) {
  const std::string& run_id = introduction.run_id();
  const absl::Status unknown = absl::NotFoundError(absl::StrCat(
      "node ", introduction.node_rank(), " comes with output of run ",
      ShowPath(run_id), ", but there is no such run in ", options_.directory));
  if (!IsRunId(run_id)) return unknown;
  const std::lock_guard<std::mutex> lock(mutex_);
  bool is_new = false;
  if (open_.count(run_id) == 0) {
    // Who has no key does not cost us a journal.
    Fd root = OpenNoLink(PathOf(run_id));
    if (!root.is_open() && introduction.orphaned()) {
      const absl::Status made = CreateFor(introduction);
      if (!made.ok()) return made;
      is_new = true;
      root = OpenNoLink(PathOf(run_id));
    }
    if (!root.is_open()) return unknown;
    const absl::StatusOr<std::string> key =
        Run::ReadKey(root.get(), PathOf(run_id));
    if (absl::IsNotFound(key.status())) return unknown;
    if (!key.ok()) return key.status();
    const absl::Status authorized = Run::CheckKey(*key, introduction);
    if (!authorized.ok()) return authorized;
  }
  absl::StatusOr<std::shared_ptr<Run>> run = OpenRun(run_id, is_new);
  if (!run.ok()) return run.status();
  const absl::Status authorized = (*run)->Authorize(introduction);
  if (!authorized.ok()) return authorized;
  return run;
}

void RunStore::Release(const std::string& run_id) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = open_.find(run_id);
  if (found != open_.end() && found->second.use_count() == 1) {
    open_.erase(found);
  }
}

}  // namespace muster::collector
