#include "launcher/history/tail_offset.h"

#include <algorithm>

#include "launcher/history/display_lines.h"

namespace muster::history {

absl::StatusOr<uint64_t> TailOffset(
    uint64_t size, uint32_t lines,
    absl::FunctionRef<absl::StatusOr<std::string>(uint64_t, size_t)> read) {
  if (lines == 0) return size;
  uint32_t found = 0;     // lines that begin at `begin` or later
  uint64_t begin = size;  // of the line that is looked at
  uint64_t at = size;     // what lies behind is known
  char next = 0;          // the byte at `at`
  while (at > 0) {
    const uint64_t block = std::min<uint64_t>(at, kMaxDisplayLine);
    const absl::StatusOr<std::string> bytes = read(at - block, block);
    if (!bytes.ok()) return bytes.status();
    for (size_t i = bytes->size(); i > 0; --i) {
      const char byte = (*bytes)[i - 1];
      const uint64_t after = at - block + i;
      // An end of a line, whose first byte is `after` unless that is the end
      // of the log.
      const bool ends = byte == '\n' || (byte == '\r' && next != '\n');
      next = byte;
      if (after == size) continue;
      if (!ends && begin - after < kMaxDisplayLine) continue;
      begin = after;
      if (++found == lines) return begin;
    }
    at -= block;
  }
  return 0;
}

}  // namespace muster::history
