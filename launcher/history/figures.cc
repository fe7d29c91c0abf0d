#include "launcher/history/figures.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace muster::history {

std::string ShownBytes(uint64_t bytes) {
  if (bytes < 1000) return absl::StrCat(bytes, " B");
  const char* const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  auto size = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  while (size >= 999.5 && unit + 1 < std::size(units)) {
    size /= 1000;
    ++unit;
  }
  return absl::StrCat(size < 9.95 ? absl::StrFormat("%.1f", size)
                                  : absl::StrFormat("%.0f", size),
                      " ", units[unit]);
}

std::string ShownDuration(absl::Duration duration) {
  const int64_t ms = absl::ToInt64Milliseconds(duration);
  const int64_t s = ms / 1000;
  if (ms < 1000) return absl::StrCat(ms, "ms");
  if (s < 60) return absl::StrFormat("%d.%ds", s, ms % 1000 / 100);
  if (s < 3600) return absl::StrFormat("%dm%02ds", s / 60, s % 60);
  if (s < 86400) return absl::StrFormat("%dh%02dm", s / 3600, s / 60 % 60);
  return absl::StrFormat("%dd%02dh", s / 86400, s / 3600 % 24);
}

std::string ShownTime(absl::Time time, absl::TimeZone zone) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", time, zone);
}

std::string ShownRanks(const std::vector<uint64_t>& numbers) {
  std::vector<std::string> runs;
  for (size_t i = 0; i < numbers.size();) {
    size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    runs.push_back(end == i + 1
                       ? absl::StrCat(numbers[i])
                       : absl::StrCat(numbers[i], "-", numbers[end - 1]));
    i = end;
  }
  return absl::StrJoin(runs, ", ");
}

}  // namespace muster::history
