// `muster runs, show, logs, files, get`, from the command to its exit code.
#ifndef MUSTER_LAUNCHER_HISTORY_MAIN_H_
#define MUSTER_LAUNCHER_HISTORY_MAIN_H_

#include <optional>
#include <string>

#include "launcher/history_command.h"

namespace muster::launcher {

// `token`: the value of MUSTER_TOKEN. Prints what the command prints and
// returns its exit code. SIGINT ends the process with 130 meanwhile. To be
// called once, by main.
int RunHistory(const HistoryCommand& command,
               const std::optional<std::string>& token);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_HISTORY_MAIN_H_
