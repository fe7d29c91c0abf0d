#include "launcher/fabric/view/figures.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace muster::fabric {

std::string FigureText(double value) {
  if (value <= 0) return "-";
  const int decimals = value >= 99.95   ? 0
                       : value >= 9.995 ? 1
                       : value >= 0.1   ? 2
                                        : 3;
  return absl::StrFormat("%.*f", decimals, value);
}

std::string SizeText(uint64_t bytes) {
  if (bytes == 0) return "-";
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto size = static_cast<double>(bytes);
  size_t unit = 0;
  for (; size >= 1024 && unit + 1 < std::size(units); size /= 1024) ++unit;
  return absl::StrFormat("%.4g %s", size, units[unit]);
}

std::string SecondsText(double seconds) {
  if (seconds < 0.9995) return absl::StrFormat("%.0f ms", seconds * 1000);
  return absl::StrFormat("%.*f s", seconds < 9.95 ? 1 : 0, seconds);
}

std::string CountText(uint64_t count, absl::string_view noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

}  // namespace muster::fabric
