// Durations as people write them: 500ms, 30s, 10m, 1h, 1h30m.
#ifndef MUSTER_LAUNCHER_DURATION_H_
#define MUSTER_LAUNCHER_DURATION_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace muster::launcher {

enum class Zero { kRefused, kAllowed };

// Whole milliseconds, at most 720h. absl::FormatDuration writes what this
// reads.
//
// Errors: InvalidArgument when `text` is anything else (no unit, a sign, below
// a millisecond, too long, or zero where that is refused); the message says
// what is right.
absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text, Zero zero);

// For people: tenths of a second below a minute, whole seconds above.
std::string ShortDuration(absl::Duration duration);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_DURATION_H_
