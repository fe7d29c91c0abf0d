#include "launcher/history/figures.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace muster::history {
namespace {

// Characters of UTF-8, near enough to columns of a screen.
size_t Width(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(),
                    [](char byte) { return (byte & 0xc0) != 0x80; }));
}

}  // namespace

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

std::string Table(const std::vector<Column>& columns,
                  const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns.size(); ++i) {
    size_t width = Width(columns[i].title);
    for (const auto& row : rows) width = std::max(width, Width(row[i]));
    widths.push_back(width);
  }
  std::string table;
  const auto add = [&](size_t i, const std::string& cell) {
    const std::string space(widths[i] - Width(cell), ' ');
    const bool last = i + 1 == columns.size();
    absl::StrAppend(&table, columns[i].right ? space : "", cell,
                    columns[i].right || last ? "" : space, last ? "\n" : "  ");
  };
  for (size_t i = 0; i < columns.size(); ++i) add(i, columns[i].title);
  for (const auto& row : rows) {
    for (size_t i = 0; i < columns.size(); ++i) add(i, row[i]);
  }
  return table;
}

}  // namespace muster::history
