// The agent's own log: one line per event on standard error, and the same
// lines on their way to the run directory.
#ifndef MUSTER_LAUNCHER_LOG_H_
#define MUSTER_LAUNCHER_LOG_H_

#include <functional>
#include <string>

#include "spdlog/spdlog.h"

namespace muster::launcher {

// Makes spdlog's default logger write "muster HH:MM:SS HOST: text" to standard
// error. Lines of warnings and errors say so. To be called once, before
// anything is logged.
void StartLog(const std::string& host_name);

// From now on every line (and the last few that came before) goes to `sink`
// too, with its line end. The sink is called on whatever thread logs, which in
// the agent is the loop's. An empty function ends it.
void TeeLog(std::function<void(const std::string& line)> sink);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_LOG_H_
