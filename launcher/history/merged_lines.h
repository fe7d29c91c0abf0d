// The lines of several logs on one screen.
#ifndef MUSTER_LAUNCHER_HISTORY_MERGED_LINES_H_
#define MUSTER_LAUNCHER_HISTORY_MERGED_LINES_H_

#include <optional>
#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "launcher/history/log_names.h"

namespace muster::history {

// Job: put pieces of the logs' lines together to lines of the screen, in the
// order in which they come, and never two logs into one line. A line that has
// no end yet stays open, for its own log to go on with; when another log comes
// first, it is ended, and what its own log still says of it begins a line.
// Life cycle: any number of Add and Note, Close at the end.
// Threads: one. Pure.
class MergedLines {
 public:
  // `prefix` stands in front of a line of this log.
  void Add(const LogKey& log, absl::string_view prefix, absl::string_view text,
           bool ends, std::string* out);

  // A line of its own.
  void Note(absl::string_view prefix, absl::string_view text, std::string* out);

  // Ends the line that is open.
  void Close(std::string* out);

 private:
  std::optional<LogKey> open_;
  std::set<LogKey> interrupted_;  // their open lines were ended
};

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_MERGED_LINES_H_
