// Text from elsewhere (arguments, workers' output), made safe to show.
#ifndef MUSTER_LAUNCHER_TEXT_H_
#define MUSTER_LAUNCHER_TEXT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace muster::launcher {

bool IsUtf8(absl::string_view text);

// `text` without anything that a terminal would act on: control characters
// and bytes that are not UTF-8 become \xNN. Tabs stay.
std::string Printable(absl::string_view text);

// "1 node", "2 nodes".
std::string Count(uint64_t count, absl::string_view noun);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_TEXT_H_
