// `muster runs, show, logs, files, get` as the command line says them.
#ifndef MUSTER_LAUNCHER_HISTORY_COMMAND_H_
#define MUSTER_LAUNCHER_HISTORY_COMMAND_H_

#include <string>

#include "launcher/history/commands.h"
#include "proto/job.pb.h"

namespace muster::launcher {

enum class HistoryKind { kRuns, kShow, kLogs, kFiles, kGet };

// "runs", "show", "logs", "files" or "get".
const char* HistoryName(HistoryKind kind);

struct HistoryCommand {
  HistoryKind kind = HistoryKind::kRuns;
  // --run-dir, the endpoint of --from (its host is "" for runs of this
  // machine), and what shows who we are.
  JobSpec place;
  std::string run;     // as the user wrote it: an id, a prefix, latest, a path
  std::string prefix;  // of files and get
  std::string directory;  // of get
  // Of get, in place of all the above: what dead agents left, and the collector
  // that it is for in `place`, or none.
  std::string spool;
  bool json = false;
  bool merged = false;
  history::LogsChoice logs;
};

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_HISTORY_COMMAND_H_
