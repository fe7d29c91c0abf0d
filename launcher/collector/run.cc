#include "launcher/collector/run.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "launcher/collector/disk.h"
#include "launcher/collector/lock_file.h"
#include "launcher/collector/names.h"
#include "launcher/collector/node_key.h"
#include "launcher/failpoints/failpoint.h"

namespace muster::collector {
namespace {

constexpr char kKeyFile[] = "key";
constexpr char kPartsDirectory[] = "parts";
constexpr char kEvents[] = "events.jsonl";

Fd OpenDirectory(int directory, const char* name) {
  return Fd(
      openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// What all files below hold; names that come and go meanwhile do not matter.
uint64_t BytesBelow(const std::string& path) {
  namespace fs = std::filesystem;
  uint64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(path, error), end;
       !error && entry != end; entry.increment(error)) {
    std::error_code gone;
    if (!entry->is_symlink(gone) && entry->is_regular_file(gone)) {
      const uint64_t size = entry->file_size(gone);
      if (!gone) bytes += size;
    }
  }
  return bytes;
}

// The name of a document that is written whole; "" for the others.
const char* WholeDocument(RecordDocument document) {
  switch (document) {
    case RECORD_RUN:
      return "run.json";
    case RECORD_REPORT:
      return "report.json";
    case RECORD_FABRIC:
      return "fabric.json";
    default:
      return "";
  }
}

absl::Status WriteKey(int directory, const std::string& shown,
                      absl::string_view key) {
  return ReplaceFile({.directory = directory,
                      .name = kKeyFile,
                      .mode = 0600,
                      .scratch = directory,
                      .shown = absl::StrCat(shown, "/", kKeyFile)},
                     key);
}

}  // namespace

absl::Status AnotherRuns(const std::string& path) {
  return absl::AlreadyExistsError(
      absl::StrCat("run directory ", path,
                   " exists and is another run's; give another run id or "
                   "another directory, or move it away"));
}

absl::Status Run::Create(int root, const std::string& path,
                         absl::string_view run_key) {
  const std::string shown = absl::StrCat(path, "/", kPrivate);
  if (mkdirat(root, kPrivate, 0700) != 0) {
    return FileError(errno, "make", shown);
  }
  const Fd directory = OpenDirectory(root, kPrivate);
  if (!directory.is_open() ||
      mkdirat(directory.get(), kPartsDirectory, 0700) != 0) {
    return FileError(errno, "make", shown);
  }
  absl::Status status = WriteKey(directory.get(), shown, run_key);
  if (status.ok()) status = Journal::Create(directory.get(), shown);
  if (status.ok()) status = SyncDirectory(root, path);
  return status;
}

absl::StatusOr<std::string> Run::ReadKey(int root, const std::string& path) {
  const Fd directory = OpenDirectory(root, kPrivate);
  const Fd file(
      openat(directory.get(), kKeyFile, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  const std::string shown = absl::StrCat(path, "/", kPrivate, "/", kKeyFile);
  if (!directory.is_open() || !file.is_open()) {
    if (errno != ENOENT && errno != EBADF) {
      return FileError(errno, "open", shown);
    }
    return absl::NotFoundError(
        absl::StrCat(path, " is not a run that output can be added to"));
  }
  absl::StatusOr<std::string> key = ReadAll(file, shown);
  if (key.ok() && !key->empty() && key->size() != kKeyBytes) {
    return absl::DataLossError(absl::StrCat(shown, " is damaged"));
  }
  return key;
}

absl::StatusOr<std::shared_ptr<Run>> Run::Open(const std::string& path,
                                               const Options& options) {
  std::shared_ptr<Run> run(new Run(path, options));
  run->root_ = OpenDirectory(AT_FDCWD, path.c_str());
  if (!run->root_.is_open()) return FileError(errno, "open", path);
  absl::StatusOr<std::string> key = ReadKey(run->root(), path);
  if (!key.ok()) return key.status();
  run->key_ = *std::move(key);
  run->private_ = OpenDirectory(run->root(), kPrivate);
  run->parts_ = OpenDirectory(run->private_.get(), kPartsDirectory);
  if (!run->parts_.is_open()) {
    return FileError(errno, "open", run->Shown(".muster/parts"));
  }
  absl::StatusOr<Fd> lock =
      LockFile(run->private_.get(), "lock", run->Shown(kPrivate));
  if (absl::IsAlreadyExists(lock.status())) {
    return absl::UnavailableError(
        absl::StrCat("run ", run->run_id_,
                     " is with another collector: ", lock.status().message()));
  }
  if (!lock.ok()) return lock.status();
  run->lock_ = *std::move(lock);
  const absl::Status opened = run->OpenLogs();
  if (!opened.ok()) return opened;
  if (options.quota > 0) run->quota_.Count(BytesBelow(path));
  struct stat found;
  run->has_report_ = fstatat(run->root(), "report.json", &found, 0) == 0;
  return run;
}

Run::Run(std::string path, const Options& options)
    : path_(std::move(path)),
      run_id_(path_.substr(path_.rfind('/') + 1)),
      is_new_(options.is_new),
      cache_(options.cache),
      quota_(options.quota) {}

absl::Status Run::OpenLogs() {
  absl::StatusOr<std::unique_ptr<Journal>> journal =
      Journal::Open(private_.get(), Shown(kPrivate));
  if (!journal.ok()) return journal.status();
  absl::StatusOr<std::unique_ptr<LogStore>> logs = LogStore::Open(
      {.root = root(), .shown = path_, .cache = cache_, .quota = &quota_},
      (*journal)->state());
  if (!logs.ok()) return logs.status();
  journal_ = *std::move(journal);
  logs_ = *std::move(logs);
  const std::lock_guard<std::mutex> lock(mutex_);
  nodes_ = {};
  for (const JournalNode& node : journal_->state().nodes()) nodes_.Add(node);
  problem_ = absl::OkStatus();
  return absl::OkStatus();
}

// ---- any thread ----

absl::Status Run::CheckKey(absl::string_view run_key,
                           const Introduction& introduction) {
  if (run_key.empty()) {
    if (introduction.orphaned()) return absl::OkStatus();
    return absl::NotFoundError(absl::StrCat(
        "of run ", introduction.run_id(),
        " there is only what dead agents left; its coordinator has not come"));
  }
  const std::string key =
      NodeKey(run_key, {introduction.node_rank(), introduction.attempt(),
                        introduction.first_rank(), introduction.workers(),
                        introduction.world_size()});
  if (SameSecret(key, introduction.key())) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("the key is not that of node ", introduction.node_rank(),
                   " of run ", introduction.run_id(), " in attempt ",
                   introduction.attempt(), " with its ranks"));
}

absl::Status Run::Authorize(const Introduction& introduction) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const absl::Status proved = CheckKey(key_, introduction);
  return proved.ok() ? nodes_.Check(introduction) : proved;
}

bool Run::has_key() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return !key_.empty();
}

absl::Status Run::Claim(absl::string_view run_key) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (SameSecret(key_, run_key)) return absl::OkStatus();
  if (!key_.empty() || !nodes_.AreOf(run_key)) {
    return AnotherRuns(path_);
  }
  const absl::Status written =
      WriteKey(private_directory(), Shown(kPrivate), run_key);
  if (written.ok()) key_ = std::string(run_key);
  return written;
}

absl::Status Run::Charge(uint64_t bytes) {
  absl::Status status = problem();
  if (!status.ok() || quota_.Charge(bytes)) return status;
  return absl::ResourceExhaustedError(absl::StrCat(
      path_, ": the run is over its quota of ", quota_.most(), " bytes"));
}

absl::Status Run::problem() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return problem_;
}

void Run::Break(const absl::Status& problem) {
  const std::lock_guard<std::mutex> lock(mutex_);
  problem_.Update(problem);
}

// ---- the collector's thread ----

absl::StatusOr<uint32_t> Run::Enter(const Introduction& introduction) {
  const std::lock_guard<std::mutex> lock(mutex_);
  NodeRegister::Entry entry = nodes_.Find(introduction);
  if (entry.is_new) {
    if (key_.empty()) entry.node.set_key(introduction.key());
    const absl::Status added = logs_->AddNode(entry);
    if (!added.ok()) return added;
    nodes_.Add(entry.node);
  }
  return entry.node.id();
}

absl::Status Run::Recover() {
  const absl::Status why = problem();
  if (why.ok() || !absl::IsResourceExhausted(why)) return why;
  const uint64_t before = logs_->Totals().stored;
  const absl::Status opened = OpenLogs();
  if (!opened.ok()) return opened;
  quota_.Refund(before - logs_->Totals().stored);
  return absl::OkStatus();
}

// ---- the sync thread ----

absl::Status Run::Commit(const LogChanges& changes) {
  absl::Status status = problem();
  if (status.ok()) status = Sync(changes);
  if (status.ok()) {
    MUSTER_FAILPOINT("collector.before_journal");
    status = journal_->Append(changes.record);
  }
  if (!status.ok()) {
    Break(status);
    return status;
  }
  MUSTER_FAILPOINT("collector.before_ack");
  return status;
}

absl::Status Run::Sync(const LogChanges& changes) {
  MUSTER_FAILPOINT("collector.before_sync");
  if (changes.sync_all) return SyncFileSystem(root(), path_);
  for (const LogChanges::File& file : changes.files) {
    const absl::Status synced = SyncData(file.file->get(), Shown(file.path));
    if (!synced.ok()) return synced;
  }
  for (const std::string& directory : changes.directories) {
    const absl::Status synced = SyncDirectoryBelow(root(), directory);
    if (!synced.ok()) return synced;
  }
  return absl::OkStatus();
}

absl::Status Run::WriteDocument(RecordDocument document,
                                absl::string_view content, uint64_t offset) {
  if (document == RECORD_UNSPECIFIED) return absl::OkStatus();
  if (document == RECORD_EVENTS) return AppendEvents(content, offset);
  const std::string name = WholeDocument(document);
  if (name.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "there is no document ", static_cast<int>(document), " of a run"));
  }
  // Not among the parts, where what nobody knows is removed.
  const absl::Status written = ReplaceFile({.directory = root(),
                                            .name = name,
                                            .scratch = private_.get(),
                                            .shown = Shown(name)},
                                           content);
  if (written.ok() && document == RECORD_REPORT) has_report_ = true;
  return written;
}

absl::Status Run::AppendEvents(absl::string_view content, uint64_t offset) {
  const std::string shown = Shown(kEvents);
  const absl::StatusOr<Fd> file = OpenForWriting(root(), kEvents, 0, 0644);
  if (!file.ok()) return file.status();
  struct stat found;
  if (fstat(file->get(), &found) != 0)
    return FileError(errno, "look at", shown);
  const auto size = static_cast<uint64_t>(found.st_size);
  if (offset > size) {
    return absl::InvalidArgumentError(absl::StrCat(
        shown, ": events at ", offset, ", but the file ends at ", size));
  }
  absl::Status status = WriteAll(*file, content, offset, shown);
  if (!status.ok()) {
    // A part of an event is of no use to readers.
    if (ftruncate(file->get(), found.st_size) != 0) {
      status = FileError(errno, "take back what was written to", shown);
    }
    return status;
  }
  status = SyncData(file->get(), shown);
  // Also when a process that was killed has made it.
  return status.ok() && offset == 0 ? SyncDirectory(root(), path_) : status;
}

std::string Run::Shown(absl::string_view name) const {
  return absl::StrCat(path_, "/", name);
}

}  // namespace muster::collector
