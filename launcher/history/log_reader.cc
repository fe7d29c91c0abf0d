#include "launcher/history/log_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "launcher/history/tail_offset.h"

namespace muster::history {
namespace {

constexpr size_t kMaxPiece = 256 * 1024;

// The listener's name for the run's own directory.
constexpr uint32_t kTop = UINT32_MAX;

template <typename Numbers>
bool Has(const Numbers& numbers, uint32_t number) {
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

}  // namespace

LogReader::LogReader(Fd run, LogsRequest request, DirectoryWatch* watch,
                     absl::AnyInvocable<void()> on_news)
    : run_(std::move(run)),
      request_(std::move(request)),
      on_news_(std::move(on_news)),
      ranks_(request_.ranks().begin(), request_.ranks().end()),
      listener_(watch, [this](uint32_t tag, const std::string& name) {
        Changed(tag, name);
      }) {
  for (const LogPosition& position : request_.from()) {
    from_[ToKey(position.log())] = position;
  }
  if (request_.follow()) told_ = listener_.Add(run_.get(), kTop);
}

void LogReader::Changed(uint32_t tag, const std::string& name) {
  if (name.empty()) {
    recheck_ = true;
  } else if (tag == kTop) {
    recheck_ |= name == "logs" || name == "run.json" || name == "report.json";
  } else {
    const LogDirectory& directory = tags_.at(tag);
    const std::optional<LogKey> key =
        ParseLogFile(absl::StripSuffix(name, ".gaps"), directory);
    const auto known = key ? logs_.find(*key) : logs_.end();
    if (known != logs_.end()) {
      Enqueue(known->first, known->second);
    } else {
      recheck_ |= ParseDirectory(name, directory).has_value() ||
                  (key && IsWanted(*key));
    }
  }
  if (recheck_ || !queue_.empty()) on_news_();
}

absl::StatusOr<Step> LogReader::Next(LogPiece* piece) {
  while (true) {
    if (std::exchange(recheck_, false)) {
      if (absl::Status status = LookAtEverything(); !status.ok()) return status;
    }
    if (!found_.empty()) {
      *piece->mutable_log() = ToName(found_.front());
      piece->set_offset(logs_[found_.front()].offset);
      piece->set_data("");
      found_.pop_front();
      return Step::kReply;
    }
    while (!queue_.empty()) {
      const LogKey key = queue_.front();
      Log& log = logs_[key];
      const absl::StatusOr<bool> advanced = Advance(key, log, piece);
      if (!advanced.ok()) return advanced.status();
      // One after the other up to where they were; from then on in turns.
      if (!*advanced || log.offset > log.first_size) {
        queue_.pop_front();
        log.queued = false;
      }
      if (!*advanced) continue;
      Enqueue(key, log);
      return Step::kReply;
    }
    if (!request_.follow() || over_) return Step::kOver;
    if (!recheck_) return Step::kNothing;
  }
}

absl::Status LogReader::LookAtEverything() {
  // The report first: what is written before it is seen then.
  if (faccessat(run_.get(), "report.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
    over_ = true;
  }
  if (absl::Status status = LearnRanks(); !status.ok()) return status;
  return LookAtDirectory({});
}

absl::Status LogReader::LookAtDirectory(const LogDirectory& directory) {
  if (directories_.find(directory) == directories_.end()) {
    absl::StatusOr<Fd> opened =
        collector::OpenForReading(run_.get(), PathOf(directory), O_DIRECTORY);
    if (absl::IsNotFound(opened.status())) return absl::OkStatus();
    if (!opened.ok()) return opened.status();
    // Before it is listed, so that nothing can come between.
    const auto tag = static_cast<uint32_t>(tags_.size());
    tags_.push_back(directory);
    if (request_.follow() && !listener_.Add(opened->get(), tag)) told_ = false;
    directories_.emplace(directory, *std::move(opened));
  }
  const absl::StatusOr<std::vector<std::string>> names =
      Names(directories_.at(directory).get(), PathOf(directory));
  if (!names.ok()) return names.status();
  // Logs by their keys: the names' order is another where ranks are not
  // padded.
  std::map<LogKey, std::string> logs;
  for (const std::string& name : *names) {
    if (const auto key = ParseLogFile(name, directory))
      logs.emplace(*key, name);
  }
  for (const auto& [key, name] : logs) {
    if (absl::Status status = LookAtFile(key, name); !status.ok()) {
      return status;
    }
  }
  for (const std::string& name : *names) {
    const std::optional<LogDirectory> below = ParseDirectory(name, directory);
    if (!below) continue;
    if (absl::Status status = LookAtDirectory(*below); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status LogReader::LookAtFile(const LogKey& key, const std::string& name) {
  if (!IsWanted(key)) return absl::OkStatus();
  const int directory = DirectoryOf(key).get();
  struct stat found;
  if (fstatat(directory, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0 ||
      !S_ISREG(found.st_mode)) {
    return absl::OkStatus();
  }
  const auto size = static_cast<uint64_t>(found.st_size);
  const auto known = logs_.find(key);
  if (known == logs_.end()) return Discover(key, name, size);
  const bool has_notes =
      fstatat(directory, (name + ".gaps").c_str(), &found,
              AT_SYMLINK_NOFOLLOW) == 0 &&
      static_cast<uint64_t>(found.st_size) > known->second.notes_offset;
  if (size > known->second.offset || has_notes) Enqueue(key, known->second);
  return absl::OkStatus();
}

absl::Status LogReader::Discover(const LogKey& key, const std::string& name,
                                 uint64_t size) {
  Log& log = logs_[key];
  log.name = name;
  log.first_size = size;
  const auto from = from_.find(key);
  if (from != from_.end()) {
    log.offset = from->second.offset();
    log.noted = from->second.notes();
  } else if (request_.has_tail_lines()) {
    if (absl::Status status = ToTail(key, log); !status.ok()) return status;
  }
  found_.push_back(key);
  Enqueue(key, log);
  return absl::OkStatus();
}

absl::Status LogReader::ToTail(const LogKey& key, Log& log) {
  const absl::StatusOr<Fd> file =
      collector::OpenForReading(DirectoryOf(key).get(), log.name);
  if (!file.ok()) return file.status();
  const absl::StatusOr<uint64_t> offset = TailOffset(
      log.first_size, request_.tail_lines(), [&](uint64_t at, size_t most) {
        return ReadAt(file->get(), at, most, log.name);
      });
  if (!offset.ok()) return offset.status();
  log.offset = *offset;
  if (absl::Status status = ReadNotes(key, log); !status.ok()) return status;
  for (const LogNotes::Placed& placed : log.notes.notes()) {
    if (placed.offset < log.offset) ++log.noted;
  }
  return absl::OkStatus();
}

absl::Status LogReader::LearnRanks() {
  if (request_.nodes().empty()) return absl::OkStatus();
  const absl::StatusOr<std::string> text =
      ReadSmallFile(run_.get(), "run.json");
  if (!text.ok()) return text.status();
  const auto run = nlohmann::json::parse(*text, nullptr, false);
  if (!run.is_object() || !run.contains("nodes")) return absl::OkStatus();
  for (const auto& node : run["nodes"]) {
    if (!node.is_object() || !node.contains("node") ||
        !node["node"].is_number_unsigned() || !node.contains("ranks") ||
        !Has(request_.nodes(), node["node"].get<uint32_t>())) {
      continue;
    }
    for (const auto& rank : node["ranks"]) {
      if (rank.is_number_unsigned()) ranks_.insert(rank.get<uint32_t>());
    }
  }
  return absl::OkStatus();
}

bool LogReader::IsWanted(const LogKey& key) const {
  if (!Has(request_.kinds(), key.kind)) return false;
  if (key.kind == STREAM_AGENT) {
    return request_.nodes().empty() || Has(request_.nodes(), key.number);
  }
  const bool all = request_.ranks().empty() && request_.nodes().empty();
  return all || ranks_.count(key.number) > 0;
}

void LogReader::Enqueue(const LogKey& key, Log& log) {
  if (log.queued) return;
  log.queued = true;
  queue_.push_back(key);
}

absl::StatusOr<bool> LogReader::Advance(const LogKey& key, Log& log,
                                        LogPiece* piece) {
  const absl::StatusOr<Fd> file =
      collector::OpenForReading(DirectoryOf(key).get(), log.name);
  if (absl::IsNotFound(file.status())) return false;
  if (!file.ok()) return file.status();
  const absl::StatusOr<FileEntry> entry = Describe(file->get(), log.name);
  if (!entry.ok()) return entry.status();
  uint64_t end = request_.follow() ? entry->size()
                                   : std::min(entry->size(), log.first_size);
  // After the size: a gap is written before the bytes that follow it.
  if (absl::Status status = ReadNotes(key, log); !status.ok()) return status;

  *piece->mutable_log() = ToName(key);
  piece->set_offset(log.offset);
  if (log.noted < log.notes.notes().size()) {
    const LogNotes::Placed& next = log.notes.notes()[log.noted];
    if (next.offset <= log.offset) {
      *piece->mutable_note() = next.note;
      ++log.noted;
      return true;
    }
    end = std::min(end, next.offset);
  }
  if (log.offset >= end) return false;
  absl::StatusOr<std::string> bytes =
      ReadAt(file->get(), log.offset,
             std::min<uint64_t>(end - log.offset, kMaxPiece), log.name);
  if (!bytes.ok()) return bytes.status();
  if (bytes->empty()) return false;  // truncated just now
  log.offset += bytes->size();
  piece->set_data(*std::move(bytes));
  return true;
}

absl::Status LogReader::ReadNotes(const LogKey& key, Log& log) {
  const std::string name = log.name + ".gaps";
  const absl::StatusOr<Fd> file =
      collector::OpenForReading(DirectoryOf(key).get(), name);
  if (absl::IsNotFound(file.status())) return absl::OkStatus();
  if (!file.ok()) return file.status();
  while (true) {
    const absl::StatusOr<std::string> bytes =
        ReadAt(file->get(), log.notes_offset, kMaxPiece, name);
    if (!bytes.ok()) return bytes.status();
    if (bytes->empty()) return absl::OkStatus();
    log.notes.Add(*bytes);
    log.notes_offset += bytes->size();
  }
}

}  // namespace muster::history
