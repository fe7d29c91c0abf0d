#include "launcher/collector/log_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>

#include "absl/strings/str_cat.h"
#include "launcher/collector/beneath.h"
#include "launcher/collector/disk.h"
#include "launcher/collector/names.h"
#include "launcher/failpoints/failpoint.h"

namespace muster::collector {
namespace {

// With more files than this, one sync of the file system is cheaper.
constexpr size_t kMostSyncs = 16;

StreamName MakeName(StreamKind kind, uint32_t rank) {
  StreamName name;
  name.set_kind(kind);
  name.set_rank(rank);
  return name;
}

std::string GapPath(const std::string& log) { return log + ".gaps"; }

}  // namespace

absl::StatusOr<std::unique_ptr<LogStore>> LogStore::Open(
    const Place& place, const JournalState& state) {
  std::unique_ptr<LogStore> store(new LogStore(place));
  NodeRegister nodes;
  for (const JournalNode& info : state.nodes()) {
    Node& node = store->MakeNode(nodes.Add(info));
    const auto& streams = state.streams(info.id());
    for (Log& log : node.logs) {
      const auto known = streams.find({log.name.kind(), log.name.rank()});
      const absl::Status restored = store->Restore(
          log, known == streams.end() ? nullptr : &known->second);
      if (!restored.ok()) return store->Named(restored);
    }
  }
  store->changes_ = {};
  return store;
}

LogStore::Node& LogStore::MakeNode(const NodeRegister::Entry& entry) {
  Node& node = nodes_.emplace_back();
  node.info = entry.node;
  node.generation = entry.generation;
  const auto add = [&](StreamKind kind, uint32_t rank) {
    StreamName name = MakeName(kind, rank);
    std::string path = LogPath(node.info, node.generation, name);
    node.logs.emplace_back(*place_.cache, std::move(name), std::move(path));
  };
  for (uint32_t i = 0; i < node.info.workers(); ++i) {
    add(STREAM_STDOUT, node.info.first_rank() + i);
    add(STREAM_STDERR, node.info.first_rank() + i);
  }
  add(STREAM_AGENT, 0);
  return node;
}

absl::Status LogStore::AddNode(const NodeRegister::Entry& entry) {
  Node& node = MakeNode(entry);
  absl::Status status;
  for (Log& log : node.logs) {
    // What may be there is of a node that was never journaled.
    status = OpenLog(log, O_TRUNC).status();
    if (status.ok()) status = RestoreGaps(log, nullptr);
    if (!status.ok()) {
      nodes_.pop_back();
      return Named(status);
    }
  }
  const std::string directory = LogDirectory(node.info, node.generation);
  changes_.directories.insert("");
  for (size_t slash = directory.find('/'); slash != std::string::npos;
       slash = directory.find('/', slash + 1)) {
    changes_.directories.insert(directory.substr(0, slash));
  }
  changes_.directories.insert(directory);
  *changes_.record.add_nodes() = node.info;
  return absl::OkStatus();
}

absl::Status LogStore::Restore(Log& log, const DurableStream* durable) {
  if (durable != nullptr) {
    log.stored = durable->stored;
    log.gap_bytes = durable->gap_bytes;
    log.ended = durable->ended;
    log.how = durable->how;
  }
  const absl::StatusOr<Fd> file =
      OpenForWriting(place_.root, log.path, 0, 0644);
  if (!file.ok()) return file.status();
  struct stat found;
  if (fstat(file->get(), &found) != 0) {
    return FileError(errno, "look at", log.path);
  }
  const auto size = static_cast<uint64_t>(found.st_size);
  if (size < log.stored) {
    return absl::DataLossError(
        absl::StrCat(log.path, " holds ", size, " bytes, but ", log.stored,
                     " were acknowledged; was it changed by another program?"));
  }
  if (size > log.stored &&
      ftruncate(file->get(), static_cast<off_t>(log.stored)) != 0) {
    return FileError(errno, "cut what was not acknowledged off", log.path);
  }
  return RestoreGaps(log, durable);
}

absl::Status LogStore::RestoreGaps(Log& log, const DurableStream* durable) {
  std::string text;
  if (durable != nullptr) {
    for (const JournalGap& gap : durable->gaps) text += GapLine(gap);
    if (durable->ended) text += EndLine(log.position(), log.how);
  }
  log.gaps_end = text.size();
  const std::string path = GapPath(log.path);
  if (text.empty()) {
    const absl::StatusOr<Fd> parent = OpenParent(place_.root, path);
    if (!parent.ok()) return parent.status();
    unlinkat(parent->get(), LastComponent(path).c_str(), 0);
    return absl::OkStatus();
  }
  const absl::StatusOr<Fd> file = OpenForWriting(place_.root, path, 0, 0644);
  if (!file.ok()) return file.status();
  struct stat found;
  if (fstat(file->get(), &found) != 0) return FileError(errno, "look at", path);
  // Bytes that are there already are written again: it needs no space.
  absl::Status status = WriteAll(*file, text, 0, path);
  if (status.ok() && static_cast<uint64_t>(found.st_size) > text.size() &&
      ftruncate(file->get(), static_cast<off_t>(text.size())) != 0) {
    status = FileError(errno, "cut", path);
  }
  return status.ok() ? SyncData(file->get(), path) : status;
}

absl::StatusOr<std::shared_ptr<Fd>> LogStore::OpenLog(Log& log, int flags) {
  if (std::shared_ptr<Fd> file = log.file.Use()) return file;
  absl::StatusOr<Fd> opened =
      OpenForWriting(place_.root, log.path, flags, 0644);
  if (!opened.ok()) return opened.status();
  auto file = std::make_shared<Fd>(*std::move(opened));
  log.file.Put(file);
  return file;
}

// ---- what comes in ----

absl::StatusOr<LogStore::Log*> LogStore::Find(uint32_t node,
                                              const StreamName& stream,
                                              uint64_t offset) {
  Node& owner = nodes_[node];
  // Ranks below the first wrap around and are too large.
  const uint32_t index = stream.rank() - owner.info.first_rank();
  Log* log = nullptr;
  if (stream.kind() == STREAM_AGENT) {
    if (stream.rank() == 0) log = &owner.logs.back();
  } else if ((stream.kind() == STREAM_STDOUT ||
              stream.kind() == STREAM_STDERR) &&
             index < owner.info.workers()) {
    log = &owner.logs[2 * size_t{index} +
                      (stream.kind() == STREAM_STDERR ? 1 : 0)];
  }
  if (log == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "rank ", stream.rank(), ", kind ", static_cast<int>(stream.kind()),
        ", is no stream of node ", owner.info.node_rank()));
  }
  if (log->ended || offset != log->position()) {
    return absl::InvalidArgumentError(absl::StrCat(
        log->path, ": out of order: offset ", offset, " where the stream ",
        log->ended ? "ended at " : "is at ", log->position()));
  }
  return log;
}

absl::Status LogStore::Charge(const Log& log, uint64_t bytes) {
  if (place_.quota->Charge(bytes)) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("cannot write ", log.path, ": the run is over its quota of ",
                   place_.quota->most(), " bytes"));
}

absl::Status LogStore::Append(uint32_t node, const LogData& data) {
  const absl::StatusOr<Log*> found = Find(node, data.stream(), data.offset());
  if (!found.ok()) return found.status();
  Log& log = **found;
  const size_t size = data.data().size();
  if (size > kMaxLogData ||
      size > std::numeric_limits<int64_t>::max() - data.offset()) {
    return absl::InvalidArgumentError(
        absl::StrCat(log.path, ": ", size, " bytes in one message"));
  }
  if (size == 0) return absl::OkStatus();
  absl::Status status = Charge(log, size);
  if (!status.ok()) return Named(status);
  absl::StatusOr<std::shared_ptr<Fd>> file = OpenLog(log, 0);
  status = file.status();
  if (status.ok()) {
    MUSTER_FAILPOINT("collector.before_write");
    status = AppendAt(**file, data.data(), log.stored, log.path);
  }
  if (!status.ok()) {
    place_.quota->Refund(size);
    return Named(status);
  }
  log.stored += size;
  if (!log.written) NeedsSync(*std::move(file), log.path);
  log.written = true;
  Change(log, node);
  return absl::OkStatus();
}

absl::Status LogStore::AddGap(uint32_t node, const LogGap& gap) {
  const absl::StatusOr<Log*> found = Find(node, gap.stream(), gap.offset());
  if (!found.ok()) return found.status();
  Log& log = **found;
  if (gap.length() == 0 ||
      gap.length() > std::numeric_limits<int64_t>::max() - gap.offset()) {
    return absl::InvalidArgumentError(
        absl::StrCat(log.path, ": a gap of ", gap.length(), " bytes"));
  }
  JournalGap entry;
  entry.set_offset(gap.offset());
  entry.set_length(gap.length());
  entry.set_reason(gap.reason());
  entry.set_at_unix_ms(gap.at_unix_ms());
  const absl::Status written = AppendGapLine(log, GapLine(entry));
  if (!written.ok()) return Named(written);
  log.gap_bytes += gap.length();
  log.new_gaps.push_back(std::move(entry));
  Change(log, node);
  return absl::OkStatus();
}

absl::Status LogStore::End(uint32_t node, const LogEnd& end) {
  const absl::StatusOr<Log*> found = Find(node, end.stream(), end.offset());
  if (!found.ok()) return found.status();
  Log& log = **found;
  if (end.how() != STREAM_END_CLOSED && end.how() != STREAM_END_ABANDONED &&
      end.how() != STREAM_END_AGENT_DIED) {
    return absl::InvalidArgumentError(
        absl::StrCat(log.path, ": it does not say how the stream ended"));
  }
  const std::string line = EndLine(end.offset(), end.how());
  if (!line.empty()) {
    const absl::Status written = AppendGapLine(log, line);
    if (!written.ok()) return Named(written);
  }
  log.ended = true;
  log.how = end.how();
  // Nothing more is written to it.
  log.file.Close();
  Change(log, node);
  return absl::OkStatus();
}

absl::Status LogStore::AppendGapLine(Log& log, const std::string& line) {
  const std::string path = GapPath(log.path);
  absl::Status status = Charge(log, line.size());
  if (!status.ok()) return status;
  absl::StatusOr<Fd> file = OpenForWriting(place_.root, path, 0, 0644);
  status = file.status();
  if (status.ok()) status = AppendAt(*file, line, log.gaps_end, path);
  if (!status.ok()) {
    place_.quota->Refund(line.size());
    return status;
  }
  if (log.gaps_end == 0) {
    changes_.directories.insert(path.substr(0, path.rfind('/')));
  }
  log.gaps_end += line.size();
  NeedsSync(std::make_shared<Fd>(*std::move(file)), path);
  return absl::OkStatus();
}

void LogStore::NeedsSync(std::shared_ptr<Fd> file, const std::string& path) {
  if (changes_.sync_all) return;
  if (changes_.files.size() == kMostSyncs) {
    changes_.sync_all = true;
    changes_.files.clear();
    return;
  }
  changes_.files.push_back({std::move(file), path});
}

void LogStore::Change(Log& log, uint32_t node) {
  if (log.changed) return;
  log.changed = true;
  changed_.emplace_back(node, &log);
}

// ---- what comes of it ----

LogChanges LogStore::TakeChanges() {
  for (auto& [node, log] : changed_) {
    JournalStream change;
    change.set_node(node);
    *change.mutable_name() = log->name;
    change.set_stored(log->stored);
    change.set_ended(log->ended);
    change.set_how(log->how);
    uint64_t gap_bytes = log->gap_bytes;
    for (const JournalGap& gap : log->new_gaps) gap_bytes -= gap.length();
    AddStream(std::move(change), log->new_gaps, gap_bytes, &changes_.record);
    log->new_gaps = {};
    log->changed = false;
    log->written = false;
  }
  changed_.clear();
  return std::exchange(changes_, {});
}

std::vector<StreamPosition> LogStore::Positions(uint32_t node) const {
  std::vector<StreamPosition> positions;
  for (const Log& log : nodes_[node].logs) {
    if (log.position() == 0 && !log.ended) continue;
    StreamPosition& position = positions.emplace_back();
    *position.mutable_stream() = log.name;
    position.set_offset(log.position());
    position.set_ended(log.ended);
  }
  return positions;
}

LogTotals LogStore::Totals(uint32_t node) const {
  LogTotals totals;
  for (const Log& log : nodes_[node].logs) {
    if (log.name.kind() == STREAM_AGENT) continue;
    totals.stored += log.stored;
    totals.gaps += log.gap_bytes;
  }
  return totals;
}

LogTotals LogStore::Totals() const {
  LogTotals totals;
  for (const Node& node : nodes_) {
    for (const Log& log : node.logs) {
      totals.stored += log.stored;
      totals.gaps += log.gap_bytes;
    }
  }
  return totals;
}

absl::Status LogStore::Named(const absl::Status& status) const {
  return Prefixed(absl::StrCat("run directory ", place_.shown, ": "), status);
}

}  // namespace muster::collector
