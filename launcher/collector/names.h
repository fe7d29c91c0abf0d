// The names of things in a run's directory.
#ifndef MUSTER_LAUNCHER_COLLECTOR_NAMES_H_
#define MUSTER_LAUNCHER_COLLECTOR_NAMES_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "proto/collector.pb.h"
#include "proto/journal.pb.h"

namespace muster::collector {

// What the collector keeps for itself, in a run's directory and beside the
// runs; readers show nothing that begins so.
constexpr char kPrivate[] = ".muster";

// [A-Za-z0-9._-]{1,64}, but for ".", ".." and what begins with ".muster".
bool IsRunId(absl::string_view id);

// Where a stream's bytes go, relative to the run's directory. Ranks are as wide
// as the largest one, so that files list in rank order. `generation` counts the
// incarnations of the node in the attempt; those after the first have a
// directory of their own:
//
//   logs/<rank>.stdout, logs/<rank>.stderr, logs/node<k>.agent
//   logs/attempt<a>/...                    attempts after the first
//   logs/.../incarnation<g>/...
std::string LogPath(const JournalNode& node, size_t generation,
                    const StreamName& stream);

// The directory of such paths.
std::string LogDirectory(const JournalNode& node, size_t generation);

// ---- what is written beside a log into <log>.gaps, lines of JSON ----

// {"offset":n,"length":n,"reason":"spool-full","at":"..."}
std::string GapLine(const JournalGap& gap);

// {"offset":n,"end":"abandoned"}; "" for a stream that was closed.
std::string EndLine(uint64_t offset, StreamEnd how);

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_NAMES_H_
