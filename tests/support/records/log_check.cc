#include "tests/support/records/log_check.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace muster::test {
namespace {

constexpr size_t kBlock = size_t{1} << 20;

bool IsCount(const nlohmann::json& line, const char* name) {
  return line.contains(name) && line[name].is_number_unsigned();
}

bool IsText(const nlohmann::json& line, const char* name) {
  return line.contains(name) && line[name].is_string() &&
         !line[name].get_ref<const std::string&>().empty();
}

// "" or what is wrong with one line.
std::string AddLine(const nlohmann::json& line, GapFile* file) {
  if (!line.is_object() || !IsCount(line, "offset")) return "is no gap";
  if (file->end_offset.has_value()) return "follows the end";
  const uint64_t offset = line["offset"];
  const uint64_t free_from =
      file->gaps.empty() ? 0
                         : file->gaps.back().offset + file->gaps.back().length;
  if (offset < free_from) return "overlaps what is before it";
  if (line.contains("end")) {
    if (!IsText(line, "end")) return "does not say how the stream ended";
    file->end_offset = offset;
    file->end = line["end"];
    return "";
  }
  if (!IsCount(line, "length") || line["length"] == 0) return "has no length";
  if (!IsText(line, "reason")) return "has no reason";
  if (!line.contains("at")) return "has no time";
  const uint64_t length = line["length"];
  if (length > std::numeric_limits<uint64_t>::max() - offset)
    return "is endless";
  file->gaps.push_back({offset, length, line["reason"]});
  return "";
}

// Up to `size` bytes; fewer only at the end. Negative with errno.
ssize_t ReadBlock(int fd, char* out, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t got = read(fd, out + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return got;
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return static_cast<ssize_t>(done);
}

std::string Piece(const char* bytes, size_t size) {
  return absl::StrCat(
      "\"", absl::CHexEscape({bytes, std::min<size_t>(size, 60)}), "\"");
}

// Walks the stream's offsets along with the file's.
class Comparison {
 public:
  Comparison(const LogPattern& pattern, const GapFile& gaps)
      : pattern_(pattern), gaps_(gaps.gaps) {
    SkipGaps();
  }

  // "" or where `bytes`, the next ones of the file, differ.
  std::string Next(const char* bytes, size_t size) {
    while (size > 0) {
      size_t part = std::min(size, kBlock);
      if (gap_ < gaps_.size()) {
        part = std::min<uint64_t>(part, gaps_[gap_].offset - offset_);
      }
      expected_.resize(part);
      pattern_.Fill(offset_, expected_.data(), part);
      if (std::memcmp(expected_.data(), bytes, part) != 0) {
        return Difference(bytes, part);
      }
      bytes += part;
      size -= part;
      offset_ += part;
      stored_ += part;
      SkipGaps();
    }
    return "";
  }

  uint64_t offset() const { return offset_; }  // in what the worker wrote
  bool has_passed_all_gaps() const { return gap_ == gaps_.size(); }

 private:
  void SkipGaps() {
    while (gap_ < gaps_.size() && gaps_[gap_].offset == offset_) {
      offset_ += gaps_[gap_++].length;
    }
  }

  std::string Difference(const char* bytes, size_t size) const {
    const auto* at = std::mismatch(bytes, bytes + size, expected_.data()).first;
    const size_t same = static_cast<size_t>(at - bytes);
    // From the beginning of the cell, where its number is.
    const size_t back =
        std::min<size_t>(same, (offset_ + same) % pattern_.cell_bytes());
    return absl::StrCat(
        "byte ", stored_ + same, " of the file is not byte ", offset_ + same,
        " of the stream; here stands ", Piece(at - back, size - same + back),
        " in place of ",
        Piece(expected_.data() + same - back, size - same + back));
  }

  const LogPattern& pattern_;
  const std::vector<LogGapLine>& gaps_;
  size_t gap_ = 0;
  uint64_t offset_ = 0;
  uint64_t stored_ = 0;
  std::string expected_;
};

std::string CheckEnd(const Comparison& comparison, const GapFile& gaps,
                     std::optional<uint64_t> total) {
  const uint64_t reached = comparison.offset();
  if (!comparison.has_passed_all_gaps()) {
    return absl::StrCat("the stored bytes end at ", reached,
                        " of the stream, before a gap begins");
  }
  if (gaps.end_offset.has_value() && *gaps.end_offset != reached) {
    return absl::StrCat("the gap file says that the stream ended at ",
                        *gaps.end_offset, ", but it reaches ", reached);
  }
  if (total.has_value() && *total != reached) {
    return absl::StrCat("stored and missing bytes are ", reached,
                        ", but the worker wrote ", *total);
  }
  return "";
}

std::string Hex(const XXH128_hash_t& hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  return absl::BytesToHexString(
      {reinterpret_cast<const char*>(canonical.digest),
       sizeof(canonical.digest)});
}

using HashState = std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)>;

HashState NewHash() {
  HashState state(XXH3_createState(), &XXH3_freeState);
  XXH3_128bits_reset(state.get());
  return state;
}

}  // namespace

GapFile ReadGapFile(const std::string& path) {
  GapFile file;
  std::ifstream in(path, std::ios::binary);
  std::string text;
  for (int number = 1; std::getline(in, text); ++number) {
    const nlohmann::json line =
        nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    std::string problem = in.eof() ? "is cut off" : AddLine(line, &file);
    if (!problem.empty()) {
      file.problem = absl::StrCat(path, ": line ", number, " ", problem, ": ",
                                  absl::CHexEscape(text));
      break;
    }
  }
  return file;
}

LogCheck CheckLog(const LogPattern& pattern, const std::string& path,
                  std::optional<uint64_t> total) {
  LogCheck result;
  const GapFile gaps = ReadGapFile(path + ".gaps");
  result.problem = gaps.problem;
  result.end = gaps.end;
  result.gaps = gaps.gaps.size();
  for (const LogGapLine& gap : gaps.gaps) result.missing += gap.length;
  if (!result.problem.empty()) return result;

  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const absl::Cleanup close_fd = [fd] { close(fd); };
  Comparison comparison(pattern, gaps);
  std::string block(kBlock, '\0');
  for (;;) {
    const ssize_t size = fd < 0 ? -1 : ReadBlock(fd, block.data(), kBlock);
    if (size < 0) {
      result.problem = absl::StrCat(path, ": ", std::strerror(errno));
      return result;
    }
    if (size == 0) break;
    result.stored += static_cast<uint64_t>(size);
    const std::string problem =
        comparison.Next(block.data(), static_cast<size_t>(size));
    if (!problem.empty()) {
      result.problem = absl::StrCat(path, ": ", problem);
      return result;
    }
  }
  const std::string problem = CheckEnd(comparison, gaps, total);
  if (!problem.empty()) result.problem = absl::StrCat(path, ": ", problem);
  return result;
}

std::string DigestOfFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "";
  const absl::Cleanup close_fd = [fd] { close(fd); };
  const HashState state = NewHash();
  std::string block(kBlock, '\0');
  for (;;) {
    const ssize_t size = ReadBlock(fd, block.data(), kBlock);
    if (size < 0) return "";
    if (size == 0) return Hex(XXH3_128bits_digest(state.get()));
    XXH3_128bits_update(state.get(), block.data(), static_cast<size_t>(size));
  }
}

std::string DigestOfPattern(const LogPattern& pattern, uint64_t total) {
  const HashState state = NewHash();
  std::string block(kBlock, '\0');
  for (uint64_t offset = 0; offset < total; offset += block.size()) {
    block.resize(std::min<uint64_t>(kBlock, total - offset));
    pattern.Fill(offset, block.data(), block.size());
    XXH3_128bits_update(state.get(), block.data(), block.size());
  }
  return Hex(XXH3_128bits_digest(state.get()));
}

}  // namespace muster::test
