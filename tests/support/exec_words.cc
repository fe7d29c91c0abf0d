#include "tests/support/exec_words.h"

#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace muster::test {
namespace {

bool IsInherited(const std::string& name) {
  return name == "PATH" || name == "HOME" || name == "TMPDIR" ||
         name == "LANG" || name == "LD_LIBRARY_PATH" ||
         absl::EndsWith(name, "SAN_OPTIONS");
}

}  // namespace

std::vector<std::string> EnvironmentOf(
    std::map<std::string, std::string> variables) {
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const size_t equals = text.find('=');
    const std::string name = text.substr(0, equals);
    if (IsInherited(name)) variables.emplace(name, text.substr(equals + 1));
  }
  std::vector<std::string> entries;
  for (const auto& [name, value] : variables) {
    entries.push_back(absl::StrCat(name, "=", value));
  }
  return entries;
}

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace muster::test
