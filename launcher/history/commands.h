// What `muster runs, show, logs, files, get` do, once the command line is read
// and the source is there.
#ifndef MUSTER_LAUNCHER_HISTORY_COMMANDS_H_
#define MUSTER_LAUNCHER_HISTORY_COMMANDS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "launcher/history/run_source.h"
#include "launcher/history/screen.h"

namespace muster::history {

// What all of them stand on. Must outlive the call.
struct Surface {
  RunSource& source;
  Screen& out;
  // A line for people beside the output: a mistake, a notice.
  std::function<void(absl::string_view line)> tell;
};

// The exit code is that of the command where there is nothing to complain of:
// 0, or 1 where a part could not be done, which `tell` said.
// Errors of all: those of the source; Cancelled where nobody reads the output
// any more.

// The id that `word` stands for (run_facts.h).
absl::StatusOr<std::string> FindRun(RunSource& source, absl::string_view word);

absl::StatusOr<int> PrintRuns(const Surface& surface, bool json);

absl::StatusOr<int> PrintRun(const Surface& surface, const std::string& run_id,
                             bool json);

// `prefix`: as at file_selection.h.
absl::StatusOr<int> PrintFiles(const Surface& surface,
                               const std::string& run_id,
                               const std::string& prefix, bool json);

struct LogsChoice {
  std::vector<uint32_t> ranks;  // none: all
  std::vector<uint32_t> nodes;  // none: all
  bool stdout_only = false;
  bool stderr_only = false;
  bool agents = false;  // the agents' own logs in place of the workers'
  bool follow = false;
  bool raw = false;
  std::optional<uint32_t> tail_lines;
};

absl::StatusOr<int> PrintLogs(const Surface& surface, const std::string& run_id,
                              LogsChoice choice);

// `directory` is made where it is missing. `progress`: a line on standard
// error that is written again and again.
absl::StatusOr<int> GetFiles(const Surface& surface, const std::string& run_id,
                             const std::string& prefix,
                             const std::string& directory, bool progress);

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_COMMANDS_H_
