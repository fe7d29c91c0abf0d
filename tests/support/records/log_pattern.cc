#include "tests/support/records/log_pattern.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_format.h"

namespace muster::test {
namespace {

constexpr std::array<std::string_view, 6> kNames = {
    "records", "solid", "nul", "broken", "progress", "escape"};

// Of a record: "R00003.1 n000100 #000000000012 " payload " =checksum\n"
constexpr size_t kHeadBytes = 17;    // "R00003.1 n000100 "
constexpr size_t kNumberBytes = 18;  // "#", 16 digits, " "
constexpr size_t kCheckBytes = 16;
constexpr size_t kTailBytes = 2 + kCheckBytes + 1;
static_assert(kHeadBytes + kNumberBytes + kTailBytes < kMinRecordBytes);

constexpr std::array<uint16_t, 256> HexPairs() {
  constexpr char kDigits[] = "0123456789abcdef";
  std::array<uint16_t, 256> pairs = {};
  for (size_t i = 0; i < pairs.size(); ++i) {
    pairs[i] = static_cast<uint16_t>(kDigits[i >> 4] | (kDigits[i & 15] << 8));
  }
  return pairs;
}

void PutHex(uint64_t value, char* out) {
  static constexpr std::array<uint16_t, 256> kPairs = HexPairs();
  for (int i = 7; i >= 0; --i) {
    const uint16_t pair = kPairs[value & 255];
    out[2 * i] = static_cast<char>(pair & 255);
    out[2 * i + 1] = static_cast<char>(pair >> 8);
    value >>= 8;
  }
}

template <typename Number>
bool Parse(std::string_view digits, int base, Number* value) {
  const char* end = digits.data() + digits.size();
  const auto result = std::from_chars(digits.data(), end, *value, base);
  return result.ec == std::errc() && result.ptr == end;
}

// Text without any repetition that is a multiple of a cell.
constexpr size_t kTextBytes = 4093;
const char* Text() {
  static const auto text = [] {
    std::array<char, 2 * kTextBytes> bytes = {};
    uint64_t state = 0x9E3779B97F4A7C15;
    for (size_t i = 0; i < kTextBytes; ++i) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      bytes[i] = bytes[i + kTextBytes] =
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,"
              [state >> 58];
    }
    return bytes;
  }();
  return text.data();
}

void PutText(uint64_t number, char* out, size_t size) {
  size_t begin = (number * 61) % kTextBytes;
  while (size > 0) {
    const size_t part = std::min(size, kTextBytes);
    std::memcpy(out, Text() + begin, part);
    out += part;
    size -= part;
  }
}

constexpr size_t kCellBytes = 80;  // of the kinds without a size of their own
constexpr size_t kBodyBytes = kCellBytes - 16;

// What follows a cell's number. Bytes, so that a NUL ends nothing.
std::string_view Body(LogKind kind) {
  static const std::string nul = std::string(kBodyBytes - 1, '\0') + '\n';
  static const std::string broken = [] {
    // Stray continuation, overlong, surrogate, too high, never valid, cut.
    const std::string some = "\x80\xc0\xaf\xed\xa0\x80\xf5\x80\xff\xfe\xe2\x82";
    std::string bytes;
    while (bytes.size() < kBodyBytes - 1) bytes += some;
    bytes.resize(kBodyBytes - 1);
    return bytes + '\n';
  }();
  static const std::string progress = [] {
    std::string bytes = "  42%|########              | 420/1000 [00:07<00:09]";
    bytes.resize(kBodyBytes - 1, ' ');
    return bytes + '\r';
  }();
  static const std::string escape = [] {
    std::string bytes = "\x1b]0;title\x07\x1b[31;1mred\x1b[0m\x1b[2J\x1b[1;1H";
    bytes +=
        "\x1b[5A\x9b"
        "1m\x1bP1;2|x\x1b\\\x08\x7f";
    bytes.resize(kBodyBytes - 1, '~');
    return bytes + '\n';
  }();
  switch (kind) {
    case LogKind::kNul:
      return nul;
    case LogKind::kBroken:
      return broken;
    case LogKind::kProgress:
      return progress;
    case LogKind::kEscape:
      return escape;
    case LogKind::kRecords:
    case LogKind::kSolid:
      break;
  }
  return {};
}

}  // namespace

std::optional<LogKind> LogKindOf(std::string_view name) {
  const auto* found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<LogKind>(found - kNames.begin());
}

const std::vector<std::string>& LogKindNames() {
  static const std::vector<std::string> names(kNames.begin(), kNames.end());
  return names;
}

LogPattern::LogPattern(const Options& options)
    : kind_(options.kind),
      cell_bytes_(kCellBytes),
      name_((uint64_t{options.rank} * 2 + (options.fd == 2 ? 1 : 0)) << 44) {
  if (kind_ != LogKind::kRecords) return;
  cell_bytes_ =
      std::clamp(options.record_bytes, kMinRecordBytes, kMaxRecordBytes);
  head_ = absl::StrFormat("R%05u.%d n%06u ", options.rank % 100000, options.fd,
                          cell_bytes_);
}

void LogPattern::MakeRecord(uint64_t number, char* out) const {
  char* next = out;
  std::memcpy(next, head_.data(), kHeadBytes);
  next += kHeadBytes;
  *next = '#';
  PutHex(number, next + 1);
  next[kNumberBytes - 1] = ' ';
  next += kNumberBytes;
  const size_t text = cell_bytes_ - kHeadBytes - kNumberBytes - kTailBytes;
  PutText(number, next, text);
  next += text;
  *next++ = ' ';
  *next++ = '=';
  PutHex(XXH3_64bits(out, static_cast<size_t>(next - out)), next);
  next[kCheckBytes] = '\n';
}

void LogPattern::MakeCell(uint64_t number, char* out) const {
  if (kind_ == LogKind::kRecords) {
    MakeRecord(number, out);
    return;
  }
  PutHex(name_ | number, out);
  if (kind_ == LogKind::kSolid) {
    PutText(number, out + 16, kBodyBytes);
  } else {
    std::memcpy(out + 16, Body(kind_).data(), kBodyBytes);
  }
}

void LogPattern::Fill(uint64_t offset, char* out, size_t size) const {
  std::string part;
  while (size > 0) {
    const uint64_t number = offset / cell_bytes_;
    const size_t skip = offset % cell_bytes_;
    size_t done = cell_bytes_;
    if (skip == 0 && size >= cell_bytes_) {
      MakeCell(number, out);
    } else {
      part.resize(cell_bytes_);
      MakeCell(number, part.data());
      done = std::min(size, cell_bytes_ - skip);
      std::memcpy(out, part.data() + skip, done);
    }
    offset += done;
    out += done;
    size -= done;
  }
}

std::optional<LogRecord> ParseRecord(std::string_view line) {
  LogRecord record;
  record.bytes = line.size();
  if (line.size() < kMinRecordBytes || line[0] != 'R' || line.back() != '\n') {
    return std::nullopt;
  }
  const size_t checked = line.size() - 1 - kCheckBytes;
  size_t length = 0;
  uint64_t check = 0;
  const bool is_read =
      Parse(line.substr(1, 5), 10, &record.rank) &&
      Parse(line.substr(7, 1), 10, &record.fd) &&
      Parse(line.substr(10, 6), 10, &length) && length == line.size() &&
      Parse(line.substr(kHeadBytes + 1, 16), 16, &record.number) &&
      Parse(line.substr(checked, kCheckBytes), 16, &check) &&
      check == XXH3_64bits(line.data(), checked);
  if (!is_read) return std::nullopt;
  return record;
}

}  // namespace muster::test
