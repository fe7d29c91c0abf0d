#include "launcher/size.h"

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace muster::launcher {
namespace {

constexpr absl::string_view kLetters = "KMGT";

// The power of 1024 that a unit stands for; -1 for none that there is.
int PowerOf(absl::string_view unit) {
  if (unit.empty()) return 0;
  const size_t letter = kLetters.find(absl::ascii_toupper(unit[0]));
  const absl::string_view rest = unit.substr(1);
  const bool known = rest.empty() || absl::EqualsIgnoreCase(rest, "iB") ||
                     absl::EqualsIgnoreCase(rest, "B");
  return letter == absl::string_view::npos || !known
             ? -1
             : static_cast<int>(letter) + 1;
}

}  // namespace

absl::StatusOr<uint64_t> ParseSize(absl::string_view text) {
  const auto end =
      std::find_if_not(text.begin(), text.end(), absl::ascii_isdigit);
  const absl::string_view digits = text.substr(0, end - text.begin());
  const int power = PowerOf(text.substr(digits.size()));
  uint64_t number = 0;
  if (digits.empty() || power < 0 || !absl::SimpleAtoi(digits, &number) ||
      number > (uint64_t{std::numeric_limits<int64_t>::max()} >> 10 * power)) {
    return absl::InvalidArgumentError(
        "must be a size such as 65536, 64KiB, 8MiB or 1GiB");
  }
  return number << 10 * power;
}

std::string FormatSize(uint64_t bytes) {
  size_t power = 0;
  while (bytes != 0 && bytes % 1024 == 0 && power < kLetters.size()) {
    bytes /= 1024;
    ++power;
  }
  if (power == 0) return absl::StrCat(bytes);
  return absl::StrCat(bytes, kLetters.substr(power - 1, 1), "iB");
}

std::string ShortSize(uint64_t bytes) {
  if (bytes < 1024) {
    return absl::StrCat(bytes, bytes == 1 ? " byte" : " bytes");
  }
  auto shown = static_cast<double>(bytes);
  size_t power = 0;
  while (shown >= 1023.5 && power < kLetters.size()) {
    shown /= 1024;
    ++power;
  }
  return absl::StrFormat("%.*f %ciB", shown < 9.95 ? 1 : 0, shown,
                         kLetters[power - 1]);
}

}  // namespace muster::launcher
