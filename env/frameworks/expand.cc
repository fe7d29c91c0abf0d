#include "env/frameworks/expand.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace muster::env {
namespace {

// A reference at the start of some text, such as "$HOME" or "${HOME}".
struct Reference {
  size_t size = 0;  // 0: there is none
  absl::string_view name;
};

Reference ParseReference(absl::string_view text) {
  if (text.substr(0, 2) == "${") {
    const size_t close = text.find('}');
    if (close == absl::string_view::npos) return {};
    return {close + 1, text.substr(2, close - 2)};
  }
  size_t end = 1;
  while (end < text.size() &&
         (absl::ascii_isalnum(text[end]) || text[end] == '_')) {
    ++end;
  }
  return {end > 1 ? end : 0, text.substr(1, end - 1)};
}

}  // namespace

std::string ExpandVariables(absl::string_view arg, const Variables& variables) {
  std::string result;
  while (true) {
    const size_t dollar = arg.find('$');
    absl::StrAppend(&result, arg.substr(0, dollar));
    if (dollar == absl::string_view::npos) return result;
    arg.remove_prefix(dollar);

    const Reference reference = ParseReference(arg);
    const Variables::const_iterator found =
        reference.size == 0 ? variables.end()
                            : variables.find(std::string(reference.name));
    const size_t used = reference.size == 0 ? 1 : reference.size;
    absl::StrAppend(&result, found == variables.end() ? arg.substr(0, used)
                                                      : found->second);
    arg.remove_prefix(used);
  }
}

}  // namespace muster::env
