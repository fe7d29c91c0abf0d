// What stands in the .gaps file beside a log: a line of JSON for each range of
// bytes that is missing, and one for an end that was not clean. See
// architecture: {"offset", "length", "reason", "at"} and {"offset", "end"}.
#ifndef MUSTER_LAUNCHER_HISTORY_LOG_NOTES_H_
#define MUSTER_LAUNCHER_HISTORY_LOG_NOTES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "proto/history.pb.h"

namespace muster::history {

// Job: the notes of one log, each with its place in the stored file.
// Life cycle: Add what the .gaps file holds, piece by piece, in order.
// Threads: one. Pure. A line that can't be read is no note.
class LogNotes {
 public:
  struct Placed {
    uint64_t offset = 0;  // in the stored file, where no missing byte counts
    LogNote note;
  };

  void Add(absl::string_view bytes);

  const std::vector<Placed>& notes() const { return notes_; }
  uint64_t missing_bytes() const { return missing_; }
  uint32_t gaps() const { return gaps_; }

 private:
  void AddLine(absl::string_view line);

  std::string unfinished_;
  std::vector<Placed> notes_;
  uint64_t missing_ = 0;
  uint32_t gaps_ = 0;
};

// "4096 bytes missing: the spool was full", or what is known of the end.
// Harmless.
std::string NoteText(const LogNote& note);

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_LOG_NOTES_H_
