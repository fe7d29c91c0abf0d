// The logs of a run, by name: "logs/3.stdout", "logs/attempt1/3.stderr",
// "logs/incarnation1/3.stderr", "logs/node0.agent".
#ifndef MUSTER_LAUNCHER_HISTORY_LOG_NAMES_H_
#define MUSTER_LAUNCHER_HISTORY_LOG_NAMES_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "proto/history.pb.h"

namespace muster::history {

// A directory of logs: of an attempt, and of what a later agent of a node took
// up in it.
struct LogDirectory {
  uint32_t attempt = 0;
  uint32_t incarnation = 0;
  auto operator<=>(const LogDirectory&) const = default;
};

// "logs", "logs/attempt1/incarnation2".
std::string PathOf(const LogDirectory& directory);

// The directory `name` in `directory`; nothing where it has none of this name.
std::optional<LogDirectory> ParseDirectory(absl::string_view name,
                                           const LogDirectory& directory);

// LogName as a value that can be compared: by attempt, then rank, then stdout
// before stderr.
struct LogKey {
  uint32_t attempt = 0;
  uint32_t number = 0;  // the rank; of an agent's log, the node
  uint32_t incarnation = 0;
  StreamKind kind = STREAM_UNSPECIFIED;
  auto operator<=>(const LogKey&) const = default;
};

LogKey ToKey(const LogName& name);
LogName ToName(const LogKey& key);

// What the file `name` in `directory` is the log of; nothing for other files,
// and for a log's ".gaps".
std::optional<LogKey> ParseLogFile(absl::string_view name,
                                   const LogDirectory& directory);

// "3", or "node0" for an agent's log: what its lines begin with, in brackets.
std::string Speaker(const LogKey& log);

// "3.stdout", "node0.agent", "attempt1/3.stdout": for messages to people.
// Ranks are not padded.
std::string ShortName(const LogKey& log);

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_LOG_NAMES_H_
