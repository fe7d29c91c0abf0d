#include "launcher/fabric/view/paint.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "launcher/terminal/columns.h"

namespace muster::fabric {

std::string Paint(absl::string_view text, FabricVerdict verdict, bool colour) {
  const char* const code = verdict == FABRIC_VERDICT_PASS   ? "32"
                           : verdict == FABRIC_VERDICT_WARN ? "33"
                           : verdict == FABRIC_VERDICT_FAIL ? "31"
                                                            : nullptr;
  if (!colour || !code) return std::string(text);
  return absl::StrCat("\x1b[", code, "m", text, "\x1b[0m");
}

std::string Wrap(absl::string_view first, absl::string_view text,
                 size_t columns) {
  const size_t indent = terminal::Width(first);
  std::string lines(first);
  size_t used = indent;
  bool fresh = true;  // nothing is in the line yet
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    const size_t width = terminal::Width(word);
    if (!fresh && used + 1 + width > columns) {
      absl::StrAppend(&lines, "\n", std::string(indent, ' '));
      used = indent;
      fresh = true;
    }
    absl::StrAppend(&lines, fresh ? "" : " ", word);
    used += width + (fresh ? 0 : 1);
    fresh = false;
  }
  return absl::StrCat(lines, "\n");
}

}  // namespace muster::fabric
