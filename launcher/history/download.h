// One file of a run on its way to a directory of this machine.
#ifndef MUSTER_LAUNCHER_HISTORY_DOWNLOAD_H_
#define MUSTER_LAUNCHER_HISTORY_DOWNLOAD_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "launcher/history/file_selection.h"
#include "launcher/history/run_source.h"

namespace muster::history {

enum class Got { kCopied, kWasThere };

// Copies `file` to its target below the directory `root`, with its mode and its
// time. It is written to a hidden file beside the target, ".part-<hash>", and
// takes its name when it is whole; what stood there before is replaced then. A
// copy that was cut goes on where it was, as long as the source has not
// changed. A target of this very size and time is left alone. Holes stay holes.
// No link is followed, and nothing outside of `root` can be reached.
//
// `on_bytes` hears of bytes as they come.
//
// Errors, with the path:
//   InvalidArgument     no path that may be made; a link is in the way
//   FailedPrecondition  a directory is in its place, or a file in that of one
//                       of its directories
//   Unavailable         another `muster get` is at this file
//   ResourceExhausted   no space is left
//   Aborted             it changes faster than it can be read
//   others              those of the source; Internal for what can't be
//                       written
absl::StatusOr<Got> Download(RunSource& source, const std::string& run_id,
                             const SelectedFile& file, int root,
                             absl::FunctionRef<void(uint64_t bytes)> on_bytes);

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_DOWNLOAD_H_
