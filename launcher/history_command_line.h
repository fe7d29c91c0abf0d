// The command line of `muster runs, show, logs, files, get`.
#ifndef MUSTER_LAUNCHER_HISTORY_COMMAND_LINE_H_
#define MUSTER_LAUNCHER_HISTORY_COMMAND_LINE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "launcher/command_line.h"
#include "launcher/flags.h"
#include "launcher/history_command.h"

namespace muster::launcher {

// The command of that name, or nothing.
std::optional<HistoryKind> FindHistoryCommand(absl::string_view name);

// From the arguments after the command's name to a HistoryCommand, its help,
// or all mistakes. Pure.
CommandLine ParseHistory(HistoryKind kind,
                         const std::vector<std::string>& arguments,
                         const Surroundings& surroundings);

// The one table of these commands' flags.
struct HistoryFlag {
  Flag flag;        // its codec reads into HistoryCommand.place, or is null
  char letter = 0;  // -f for --follow
  unsigned of = 0;  // a bit for each HistoryKind
  bool is_variable = false;  // MUSTER_<NAME> gives it as well
  // Where there is no codec.
  absl::Status (*read)(const std::string& value,
                       HistoryCommand* command) = nullptr;
};
absl::Span<const HistoryFlag> HistoryFlags();

std::string HistoryHelp(HistoryKind kind);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_HISTORY_COMMAND_LINE_H_
