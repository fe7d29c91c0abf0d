// Where the last lines of a log begin.
#ifndef MUSTER_LAUNCHER_HISTORY_TAIL_OFFSET_H_
#define MUSTER_LAUNCHER_HISTORY_TAIL_OFFSET_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace muster::history {

// The offset at which the last `lines` display lines begin (display_lines.h)
// of a log of `size` bytes. A last line without an end counts; 64 KiB without
// an end count as a line. `read` gives the bytes [offset, offset + size).
// Errors: those of `read`.
absl::StatusOr<uint64_t> TailOffset(
    uint64_t size, uint32_t lines,
    absl::FunctionRef<absl::StatusOr<std::string>(uint64_t offset, size_t size)>
        read);

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_TAIL_OFFSET_H_
