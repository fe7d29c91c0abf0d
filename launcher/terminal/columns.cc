#include "launcher/terminal/columns.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace muster::terminal {

size_t Width(absl::string_view text) {
  size_t width = 0;
  bool in_colour = false;
  for (const char byte : text) {
    if (in_colour) {
      in_colour = byte != 'm';
    } else if (byte == '\x1b') {
      in_colour = true;
    } else {
      width += (byte & 0xc0) != 0x80;
    }
  }
  return width;
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

}  // namespace muster::terminal
