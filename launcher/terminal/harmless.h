// Text from workers and from other machines, made safe for a terminal.
#ifndef MUSTER_LAUNCHER_TERMINAL_HARMLESS_H_
#define MUSTER_LAUNCHER_TERMINAL_HARMLESS_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace muster::terminal {

bool IsUtf8(absl::string_view text);

// `text` without anything that a terminal would act on: control characters
// (C0, DEL, C1) and bytes that are not UTF-8 become \xNN. Tabs stay, and so
// does everything else.
std::string Harmless(absl::string_view text);

// How many bytes of `text` are left when it is cut before a character that
// has begun and is not whole: its size, or up to 3 less.
size_t WholeCharacters(absl::string_view text);

}  // namespace muster::terminal

#endif  // MUSTER_LAUNCHER_TERMINAL_HARMLESS_H_
