#include "launcher/terminal/harmless.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace muster::terminal {
namespace {

struct Character {
  uint32_t code = 0;
  size_t length = 0;  // 0: the bytes are not UTF-8
};

// How long the character is that begins with `lead`; 0: none does.
size_t LengthOf(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
}

// The character that `text` begins with; `text` is not empty.
Character First(absl::string_view text) {
  const auto lead = static_cast<uint8_t>(text[0]);
  const size_t length = LengthOf(lead);
  if (length == 1) return {lead, 1};
  if (length == 0 || text.size() < length) return {};
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

// The length of what stands in front and needs no second look: nearly all of
// nearly every log.
size_t PlainLength(absl::string_view text) {
  const auto* const end = std::find_if_not(
      text.begin(), text.end(),
      [](char byte) { return (byte >= 0x20 && byte < 0x7f) || byte == '\t'; });
  return static_cast<size_t>(end - text.begin());
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

std::string Harmless(absl::string_view text) {
  std::string shown;
  shown.reserve(text.size());
  while (!text.empty()) {
    const size_t plain = PlainLength(text);
    absl::StrAppend(&shown, text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    const Character first = First(text);
    const size_t length = std::max<size_t>(first.length, 1);
    if (first.length > 0 && !IsControl(first.code)) {
      absl::StrAppend(&shown, text.substr(0, length));
    } else {
      for (const char byte : text.substr(0, length)) {
        absl::StrAppend(&shown, "\\x",
                        absl::Hex(static_cast<uint8_t>(byte), absl::kZeroPad2));
      }
    }
    text.remove_prefix(length);
  }
  return shown;
}

size_t WholeCharacters(absl::string_view text) {
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<uint8_t>(text[text.size() - back]);
    if ((byte & 0xc0) == 0x80) continue;  // the middle of one
    return LengthOf(byte) > back ? text.size() - back : text.size();
  }
  return text.size();
}

}  // namespace muster::terminal
