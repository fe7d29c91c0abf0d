// Tables for people: columns of one width.
#ifndef MUSTER_LAUNCHER_TERMINAL_COLUMNS_H_
#define MUSTER_LAUNCHER_TERMINAL_COLUMNS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace muster::terminal {

// Columns of a screen that `text` takes, near enough: its characters of UTF-8,
// without sequences that set colours.
size_t Width(absl::string_view text);

struct Column {
  std::string title;
  bool right = false;  // numbers stand on the right
};

// Lines with their ends, columns two spaces apart. The last column is not
// padded. `rows` have a cell for each column; a cell may be coloured.
std::string Table(const std::vector<Column>& columns,
                  const std::vector<std::vector<std::string>>& rows);

}  // namespace muster::terminal

#endif  // MUSTER_LAUNCHER_TERMINAL_COLUMNS_H_
