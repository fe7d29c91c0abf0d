// Whether a collector's file and its gap file are what a worker wrote.
#ifndef MUSTER_TESTS_SUPPORT_RECORDS_LOG_CHECK_H_
#define MUSTER_TESTS_SUPPORT_RECORDS_LOG_CHECK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/records/log_pattern.h"

namespace muster::test {

struct LogGapLine {
  uint64_t offset = 0;  // in what the worker wrote
  uint64_t length = 0;
  std::string reason;
};

struct GapFile {
  std::vector<LogGapLine> gaps;
  std::optional<uint64_t> end_offset;  // of the line {"offset","end"}, if any
  std::string end;                     // its text
  std::string problem;                 // "" when the file can be believed
};

// Reads JSON lines {"offset","length","reason","at"} and at most one
// {"offset","end"}. A missing file has no gaps. A problem is: a line that is
// something else; gaps that are empty, out of order or overlap; a gap without a
// reason; an end before a gap's end.
GapFile ReadGapFile(const std::string& path);

struct LogCheck {
  std::string problem;   // "" when nothing was lost in silence
  uint64_t stored = 0;   // bytes in the file
  uint64_t missing = 0;  // bytes in gaps
  uint64_t gaps = 0;
  std::string end;  // how the stream ended, where it was not a clean close
};

// Proves that `path` holds `pattern` from its first byte on, in order, with
// nothing twice, altered or left out but for the ranges in `path`.gaps; and,
// where `total` is given, that stored and missing bytes together are `total`.
// Without it, the file may stop anywhere.
LogCheck CheckLog(const LogPattern& pattern, const std::string& path,
                  std::optional<uint64_t> total);

// XXH3-128 of a file as 32 hexadecimal digits; "" when it cannot be read.
std::string DigestOfFile(const std::string& path);
// The same of the first `total` bytes of a pattern.
std::string DigestOfPattern(const LogPattern& pattern, uint64_t total);

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_RECORDS_LOG_CHECK_H_
