#include "launcher/text.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace muster::launcher {
namespace {

struct Character {
  uint32_t code = 0;
  size_t length = 0;  // 0: the bytes are not UTF-8
};

// The character that `text` begins with; `text` is not empty.
Character First(absl::string_view text) {
  const auto lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return {};
  uint32_t code = lead & (0x7f >> length);
  for (size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if ((byte & 0xc0) != 0x80) return {};
    code = code << 6 | (byte & 0x3f);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < kLeast[length] || code > 0x10ffff || surrogate) return {};
  return {code, length};
}

bool IsControl(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

}  // namespace

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const Character first = First(text);
    if (first.length == 0) return false;
    text.remove_prefix(first.length);
  }
  return true;
}

std::string Printable(absl::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const Character first = First(text);
    const size_t length = first.length == 0 ? 1 : first.length;
    if (first.length > 0 && (!IsControl(first.code) || first.code == '\t')) {
      absl::StrAppendFormat(&shown, "%s", text.substr(0, length));
    } else {
      for (const char byte : text.substr(0, length)) {
        absl::StrAppendFormat(&shown, "\\x%02x", static_cast<uint8_t>(byte));
      }
    }
    text.remove_prefix(length);
  }
  return shown;
}

std::string Count(uint64_t count, absl::string_view noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

}  // namespace muster::launcher
