#include "launcher/history/log_view.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "launcher/history/log_notes.h"
#include "launcher/terminal/harmless.h"

namespace muster::history {

using terminal::Harmless;

void LogView::Show(const LogKey& key, const Log& log, absl::string_view text,
                   bool ends, std::string* out) {
  if (options_.harmless) {
    merged_.Add(key, log.prefix, Harmless(text), ends, out);
  } else {
    merged_.Add(key, log.prefix, text, ends, out);
  }
}

void LogView::Add(const LogPiece& piece, absl::Time now, std::string* out) {
  const LogKey key = ToKey(piece.log());
  if (piece.has_note() || !piece.data().empty()) {
    if (options_.one_by_one && last_ && last_ != key) EndLog(*last_, out);
    last_ = key;
  }
  const auto [place, is_new] = logs_.try_emplace(key);
  Log& log = place->second;
  if (is_new && options_.speakers) {
    log.prefix = absl::StrCat("[", Speaker(key), "] ");
  }
  const auto show = [&](absl::string_view text, bool ends) {
    Show(key, log, text, ends, out);
  };
  if (piece.has_note()) {
    log.lines.End(show);
    merged_.Note(log.prefix, absl::StrCat("-- ", NoteText(piece.note()), " --"),
                 out);
  } else if (!piece.data().empty()) {
    log.last = now;
    log.lines.Add(piece.data(), show);
  }
  if (log.lines.keeps_back()) {
    waiting_[key] = &log;
  } else {
    waiting_.erase(key);
  }
}

absl::Time LogView::NextIdle() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [key, log] : waiting_) {
    next = std::min(next, log->last + kIdle);
  }
  return next;
}

void LogView::Idle(absl::Time now, std::string* out) {
  for (const auto& [key, log] : std::map<LogKey, Log*>(waiting_)) {
    if (log->last + kIdle > now) continue;
    log->lines.Show(
        [&, &key = key, &log = log](absl::string_view text, bool ends) {
          Show(key, *log, text, ends, out);
        });
    // Half a character may be left; it waits for the rest, or for the end.
    if (!log->lines.keeps_back()) {
      waiting_.erase(key);
    } else {
      log->last = absl::InfiniteFuture();
    }
  }
}

void LogView::EndLog(const LogKey& key, std::string* out) {
  Log& log = logs_[key];
  log.lines.End([&](absl::string_view text, bool ends) {
    Show(key, log, text, ends, out);
  });
  waiting_.erase(key);
}

void LogView::End(std::string* out) {
  for (const auto& [key, log] : std::map<LogKey, Log*>(waiting_)) {
    EndLog(key, out);
  }
  merged_.Close(out);
  logs_.clear();
  waiting_.clear();
}

}  // namespace muster::history
