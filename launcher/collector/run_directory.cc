#include "launcher/collector/run_directory.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace muster::collector {
namespace {

constexpr size_t kMaxChunk = 64 * 1024;
constexpr size_t kMaxOpenLogs = 256;
constexpr size_t kMaxUnfinishedFiles = 64;
constexpr uint32_t kMaxWorld = 1 << 20;  // what a wrong message may cost us

bool IsRunId(absl::string_view id) {
  if (id.empty() || id.size() > 64 || id == "." || id == "..") return false;
  return std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' ||
           c == '_' || c == '-';
  });
}

// Ranks are as wide as the largest one, so that files list in rank order.
std::string LogPath(uint32_t attempt, uint32_t world_size, uint32_t rank,
                    bool is_stderr) {
  const int width = static_cast<int>(absl::StrCat(world_size - 1).size());
  return absl::StrFormat(
      "logs/%s%0*d.%s",
      attempt == 0 ? "" : absl::StrCat("attempt", attempt, "/"), width, rank,
      is_stderr ? "stderr" : "stdout");
}

}  // namespace

absl::StatusOr<std::unique_ptr<RunDirectory>> RunDirectory::Create(
    const std::string& run_dir, const std::string& run_id) {
  if (!IsRunId(run_id)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "run id \"", ShowPath(run_id),
        "\" is not 1 to 64 letters, digits, dots, dashes or underscores"));
  }
  std::error_code error;
  std::filesystem::create_directories(run_dir, error);
  if (error) return FileError(error.value(), "make --run-dir", run_dir);
  const std::string path = absl::StrCat(run_dir, "/", run_id);
  if (mkdir(path.c_str(), 0755) != 0) {
    if (errno != EEXIST) return FileError(errno, "make run directory", path);
    return absl::AlreadyExistsError(absl::StrCat(
        "run directory ", path,
        " exists; give another run id or another --run-dir, or move it away"));
  }
  Fd root(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!root.is_open()) return FileError(errno, "open run directory", path);
  return std::unique_ptr<RunDirectory>(
      new RunDirectory(path, run_id, std::move(root)));
}

RunDirectory::RunDirectory(std::string path, std::string run_id, Fd root)
    : path_(std::move(path)),
      run_id_(std::move(run_id)),
      root_(std::move(root)) {}

absl::Status RunDirectory::Begin(const Introduction& node) {
  const absl::Status checked = CheckIntroduction(node);
  if (!checked.ok()) return checked;
  world_sizes_[node.attempt()] = node.world_size();
  for (uint32_t i = 0; i < node.workers(); ++i) {
    for (const bool is_stderr : {false, true}) {
      const uint32_t rank = node.first_rank() + i;
      Log& log = logs_[LogKey{node.attempt(), rank, is_stderr}];
      if (!log.path.empty()) continue;  // the node comes again
      log.node = node.node_rank();
      log.path = LogPath(node.attempt(), node.world_size(), rank, is_stderr);
      const absl::Status opened = OpenLog(log);
      if (!opened.ok()) return opened;
    }
  }
  return absl::OkStatus();
}

absl::Status RunDirectory::CheckIntroduction(const Introduction& node) const {
  const auto refuse = [&node](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("introduction of node ", node.node_rank(), ": ", why));
  };
  const uint64_t end = uint64_t{node.first_rank()} + node.workers();
  if (node.world_size() == 0 || node.world_size() > kMaxWorld ||
      end > node.world_size()) {
    return refuse(absl::StrCat("ranks ", node.first_rank(), " to ", end,
                               " are not within a world of ",
                               node.world_size()));
  }
  const auto world = world_sizes_.find(node.attempt());
  if (world != world_sizes_.end() && world->second != node.world_size()) {
    return refuse(absl::StrCat("a world of ", node.world_size(),
                               ", but other nodes say ", world->second));
  }
  auto log = logs_.lower_bound({node.attempt(), node.first_rank(), false});
  for (; log != logs_.end() && log->first.attempt == node.attempt() &&
         log->first.rank < end;
       ++log) {
    if (log->second.node != node.node_rank()) {
      return refuse(absl::StrCat("rank ", log->first.rank, " is with node ",
                                 log->second.node));
    }
  }
  return absl::OkStatus();
}

absl::Status RunDirectory::OpenLog(Log& log) {
  if (open_logs_.size() >= kMaxOpenLogs) {
    open_logs_.front()->file.Close();
    open_logs_.pop_front();
  }
  absl::StatusOr<Fd> file = OpenForWriting(root_.get(), log.path, 0, 0644);
  if (!file.ok()) return Named(file.status());
  log.file = *std::move(file);
  open_logs_.push_back(&log);
  return absl::OkStatus();
}

absl::Status RunDirectory::AppendLog(uint32_t attempt, const LogChunk& chunk) {
  const auto found =
      logs_.find(LogKey{attempt, chunk.rank(), chunk.is_stderr()});
  if (found == logs_.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "rank ", chunk.rank(), " is nobody's in attempt ", attempt));
  }
  Log& log = found->second;
  if (log.ended || chunk.offset() != log.size) {
    return absl::InvalidArgumentError(absl::StrCat(
        log.path, ": bytes out of order: offset ", chunk.offset(),
        " where the log ", log.ended ? "ended at " : "is at ", log.size));
  }
  if (chunk.data().size() > kMaxChunk) {
    return absl::InvalidArgumentError(
        absl::StrCat(log.path, ": a chunk of over 64 KiB"));
  }
  if (!chunk.data().empty()) {
    if (!log.file.is_open()) {
      const absl::Status opened = OpenLog(log);
      if (!opened.ok()) return opened;
    }
    const absl::Status written =
        WriteAll(log.file, chunk.data(), log.size, log.path);
    if (!written.ok()) return Named(written);
    log.size += chunk.data().size();
    log_bytes_ += chunk.data().size();
  }
  log.ended = chunk.end();
  return absl::OkStatus();
}

absl::Status RunDirectory::AppendAgentLog(uint32_t node,
                                          absl::string_view bytes) {
  const std::string name = absl::StrCat("logs/node", node, ".agent");
  absl::StatusOr<Fd> file = OpenForWriting(root_.get(), name, O_APPEND, 0644);
  if (!file.ok()) return Named(file.status());
  return Named(WriteAll(*file, bytes, 0, name));
}

absl::Status RunDirectory::WriteFile(uint32_t node, const FileChunk& chunk) {
  absl::StatusOr<PartFile*> part = PartFor(node, chunk);
  if (!part.ok()) return part.status();
  const absl::Status written = (*part)->Append(chunk.data());
  if (!written.ok()) return Named(written);
  if (!chunk.last()) return absl::OkStatus();

  const uint64_t size = (*part)->size();
  const absl::Status finished = (*part)->Commit((chunk.mode() & 0755) | 0600);
  parts_[node].erase(chunk.path());
  if (!finished.ok()) return Named(finished);
  (absl::StartsWith(chunk.path(), "logs/") ? log_bytes_ : output_bytes_) +=
      size;
  return absl::OkStatus();
}

absl::StatusOr<PartFile*> RunDirectory::PartFor(uint32_t node,
                                                const FileChunk& chunk) {
  const absl::Status checked = CheckRelativePath(chunk.path());
  if (!checked.ok()) return checked;
  if (!absl::StartsWith(chunk.path(), "logs/") &&
      !absl::StartsWith(chunk.path(), "outputs/")) {
    return absl::InvalidArgumentError(
        absl::StrCat("path \"", ShowPath(chunk.path()),
                     "\" is not below logs/ or outputs/"));
  }
  if (chunk.data().size() > kMaxChunk) {
    return absl::InvalidArgumentError(
        absl::StrCat(ShowPath(chunk.path()), ": a chunk of over 64 KiB"));
  }
  Parts& parts = parts_[node];
  if (chunk.offset() == 0) {
    parts.erase(chunk.path());
    if (parts.size() >= kMaxUnfinishedFiles) {
      return absl::InvalidArgumentError(absl::StrCat(
          ShowPath(chunk.path()), ": node ", node,
          " has 64 unfinished files already; send one after the other"));
    }
    absl::StatusOr<std::unique_ptr<PartFile>> part = PartFile::Create(
        root_.get(), absl::StrCat("nodes/node", node, "/", chunk.path()),
        serial_++);
    if (!part.ok()) return Named(part.status());
    parts[chunk.path()] = *std::move(part);
  }
  const auto found = parts.find(chunk.path());
  const uint64_t size = found == parts.end() ? 0 : found->second->size();
  if (found == parts.end() || chunk.offset() != size) {
    return absl::InvalidArgumentError(
        absl::StrCat(ShowPath(chunk.path()), ": bytes out of order: offset ",
                     chunk.offset(), " where the file is at ", size));
  }
  return found->second.get();
}

void RunDirectory::End(uint32_t node) { parts_.erase(node); }

absl::Status RunDirectory::WriteWhole(const std::string& name,
                                      absl::string_view bytes) {
  const absl::Status checked = CheckRelativePath(name);
  if (!checked.ok()) return checked;
  absl::StatusOr<std::unique_ptr<PartFile>> part =
      PartFile::Create(root_.get(), name, serial_++);
  if (!part.ok()) return Named(part.status());
  absl::Status status = (*part)->Append(bytes);
  if (status.ok()) status = (*part)->Commit(0644);
  return Named(status);
}

absl::Status RunDirectory::Record(const RecordUpdate& update) {
  switch (update.document()) {
    case RECORD_RUN:
      return WriteWhole("run.json", update.content());
    case RECORD_REPORT:
      return WriteWhole("report.json", update.content());
    case RECORD_EVENTS: {
      absl::StatusOr<Fd> file =
          OpenForWriting(root_.get(), "events.jsonl", 0, 0644);
      if (!file.ok()) return Named(file.status());
      return Named(
          WriteAll(*file, update.content(), update.offset(), "events.jsonl"));
    }
    default:
      return absl::InvalidArgumentError("no such document");
  }
}

absl::Status RunDirectory::Named(const absl::Status& status) const {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat("run directory ", path_, ": ",
                                                  status.message()));
}

}  // namespace muster::collector
