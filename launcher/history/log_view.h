// The logs of a run as people see them.
#ifndef MUSTER_LAUNCHER_HISTORY_LOG_VIEW_H_
#define MUSTER_LAUNCHER_HISTORY_LOG_VIEW_H_

#include <map>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "launcher/history/display_lines.h"
#include "launcher/history/log_names.h"
#include "launcher/history/merged_lines.h"
#include "proto/history.pb.h"

namespace muster::history {

// A line without an end is shown when its log has said nothing for so long.
inline constexpr absl::Duration kIdle = absl::Milliseconds(250);

// Job: pieces of logs in, text for the screen out.
// Life cycle: Add the pieces, Idle when NextIdle() has come, End.
// Threads: one. Pure: time is an argument.
class LogView {
 public:
  struct Options {
    bool speakers = true;  // each line begins with "[rank] "
    bool harmless = true;  // false: bytes as they are
    // A piece of another log says that the one before is over.
    bool one_by_one = false;
  };
  explicit LogView(Options options) : options_(options) {}

  void Add(const LogPiece& piece, absl::Time now, std::string* out);

  // When the next unfinished line is to be shown; InfiniteFuture where there
  // is none.
  absl::Time NextIdle() const;
  void Idle(absl::Time now, std::string* out);

  // Shows what is kept back, and ends the last line.
  void End(std::string* out);

 private:
  struct Log {
    std::string prefix;
    DisplayLines lines;
    absl::Time last;
  };

  void EndLog(const LogKey& key, std::string* out);
  void Show(const LogKey& key, const Log& log, absl::string_view text,
            bool ends, std::string* out);

  const Options options_;
  std::map<LogKey, Log> logs_;
  std::map<LogKey, Log*> waiting_;  // those that keep something back
  std::optional<LogKey> last_;      // that said something
  MergedLines merged_;
};

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_LOG_VIEW_H_
