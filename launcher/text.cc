#include "launcher/text.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "launcher/terminal/harmless.h"

namespace muster::launcher {

bool IsUtf8(absl::string_view text) { return terminal::IsUtf8(text); }

std::string Printable(absl::string_view text) {
  return terminal::Harmless(text);
}

std::string Count(uint64_t count, absl::string_view noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

}  // namespace muster::launcher
