#include "launcher/streams/tail.h"

#include <algorithm>

#include "absl/strings/strip.h"

namespace muster::streams {

void StderrTail::Append(absl::string_view bytes) {
  if (bytes.size() > kKept) bytes.remove_prefix(bytes.size() - kKept);
  kept_.append(bytes.data(), bytes.size());
  // Trimmed at twice the size, so that small writes stay cheap.
  if (kept_.size() >= 2 * kKept) kept_.erase(0, kept_.size() - kKept);
}

absl::string_view StderrTail::bytes() const {
  absl::string_view kept = kept_;
  if (kept.size() > kKept) kept.remove_prefix(kept.size() - kKept);
  return kept;
}

std::vector<std::string> StderrTail::LastLines(size_t count) const {
  std::vector<std::string> lines;
  absl::string_view rest = absl::StripSuffix(bytes(), "\n");
  bool more = !bytes().empty();
  while (more && lines.size() < count) {
    const size_t end = rest.rfind('\n');
    more = end != absl::string_view::npos;
    const absl::string_view line = more ? rest.substr(end + 1) : rest;
    lines.emplace_back(absl::StripSuffix(line, "\r"));
    if (more) rest = rest.substr(0, end);
  }
  std::reverse(lines.begin(), lines.end());
  return lines;
}

}  // namespace muster::streams
