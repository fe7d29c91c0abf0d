// What `loggen` writes: a stream in which every byte is a function of its
// offset, so that whoever holds a part of it can say what it should be.
//
// The stream is a sequence of cells of one size. Each cell carries the stream's
// name and its own number, so that a cell that is lost, altered, moved or there
// twice is seen, and can be named.
#ifndef MUSTER_TESTS_SUPPORT_RECORDS_LOG_PATTERN_H_
#define MUSTER_TESTS_SUPPORT_RECORDS_LOG_PATTERN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster::test {

enum class LogKind {
  kRecords,   // lines with name, number, length and checksum; see LogRecord
  kSolid,     // text without a single newline
  kNul,       // lines that are mostly NUL
  kBroken,    // lines of bytes that are no UTF-8
  kProgress,  // a progress bar: frames that end with \r, no newline
  kEscape,    // titles, colours and cursor movements of a terminal
};

// By the name that loggen and logverify take: "records", "solid", ...
std::optional<LogKind> LogKindOf(std::string_view name);
const std::vector<std::string>& LogKindNames();

inline constexpr size_t kMinRecordBytes = 64;
inline constexpr size_t kMaxRecordBytes = 999'999;

// Immutable after construction; any thread.
class LogPattern {
 public:
  struct Options {
    LogKind kind = LogKind::kRecords;
    uint32_t rank = 0;
    int fd = 1;                 // 1 or 2
    size_t record_bytes = 100;  // kRecords only, newline included
  };
  explicit LogPattern(const Options& options);

  // The `size` bytes of the stream from `offset` on.
  void Fill(uint64_t offset, char* out, size_t size) const;

  size_t cell_bytes() const { return cell_bytes_; }

 private:
  void MakeCell(uint64_t number, char* out) const;
  void MakeRecord(uint64_t number, char* out) const;

  LogKind kind_;
  size_t cell_bytes_;
  uint64_t name_;     // rank and fd in the upper bits of a cell's number
  std::string head_;  // what all records of the stream have
};

struct LogRecord {
  uint32_t rank = 0;
  int fd = 0;
  uint64_t number = 0;
  size_t bytes = 0;  // newline included
};

// The record of kRecords that `line` is, with its newline; nothing when it is
// altered, cut or something else.
std::optional<LogRecord> ParseRecord(std::string_view line);

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_RECORDS_LOG_PATTERN_H_
