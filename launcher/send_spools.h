// `muster get --spool DIR`.
#ifndef MUSTER_LAUNCHER_SEND_SPOOLS_H_
#define MUSTER_LAUNCHER_SEND_SPOOLS_H_

#include <optional>
#include <string>

#include "launcher/history_command.h"

namespace muster::launcher {

// Sends what dead agents left in command.spool to the collector of --collector,
// or to the one that each was to send to. `token`: the value of MUSTER_TOKEN.
// Says of each spool what became of it, and returns the exit code: kSuccess
// when nothing of a dead agent is left there. To be called once, by main.
int SendSpools(const HistoryCommand& command,
               const std::optional<std::string>& token);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_SEND_SPOOLS_H_
