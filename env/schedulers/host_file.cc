#include "env/schedulers/host_file.h"

#include <cstddef>
#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "env/schedulers/hosts.h"
#include "env/schedulers/number.h"
#include "env/schedulers/reading.h"

namespace muster::env {
namespace {

absl::Status WrongLine(size_t line, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", what));
}

bool IsCount(absl::string_view text) {
  uint32_t count = 0;
  return ParseNumber(text, &count);
}

// HOST or HOST:N; an IPv6 address has colons of its own.
absl::StatusOr<std::string> HostOf(const std::string& word) {
  if (IsNumericHost(word)) return word;
  std::string host = word;
  const size_t colon = word.rfind(':');
  if (colon != std::string::npos) {
    if (!IsCount(word.substr(colon + 1))) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", word.substr(0, 80), "' is no HOST or HOST:N"));
    }
    host = word.substr(0, colon);
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  if (absl::Status status = CheckHost(host); !status.ok()) return status;
  return host;
}

bool IsSlots(absl::string_view word) {
  return (absl::ConsumePrefix(&word, "slots=") ||
          absl::ConsumePrefix(&word, "max_slots=") ||
          absl::ConsumePrefix(&word, "max-slots=")) &&
         IsCount(word);
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ParseHostFile(absl::string_view text) {
  std::vector<std::string> hosts;
  std::map<std::string, size_t> lines;
  size_t line = 0;
  for (const absl::string_view whole : absl::StrSplit(text, '\n')) {
    ++line;
    const std::vector<std::string> words =
        absl::StrSplit(whole.substr(0, whole.find('#')),
                       absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty()) continue;
    const absl::StatusOr<std::string> host = HostOf(words[0]);
    if (!host.ok()) return WrongLine(line, host.status().message());
    for (size_t i = 1; i < words.size(); ++i) {
      if (!IsSlots(words[i])) {
        return WrongLine(line, absl::StrCat("'", words[i].substr(0, 80),
                                            "' is not slots=N"));
      }
    }
    const auto [first, is_new] = lines.insert({*host, line});
    if (!is_new) {
      return WrongLine(line,
                       absl::StrCat("the host ", *host, " is already in line ",
                                    first->second));
    }
    if (hosts.size() == kMaxHosts) {
      return WrongLine(
          line, absl::StrCat("there are more than ", kMaxHosts, " hosts"));
    }
    hosts.push_back(*host);
  }
  if (hosts.empty()) return absl::InvalidArgumentError("it names no host");
  return hosts;
}

absl::StatusOr<Discovery> ReadHostFile(const std::string& path,
                                       const FileReader& files) {
  const Evidence evidence{path, ""};
  const absl::StatusOr<std::string> text = files.Read(path);
  if (!text.ok()) {
    return absl::InvalidArgumentError(text.status().message());
  }
  const absl::StatusOr<std::vector<std::string>> hosts = ParseHostFile(*text);
  if (!hosts.ok()) return WrongValue(evidence, hosts.status());
  Discovery found{"hostfile", "Host file"};
  SetHosts(*hosts, evidence, &found);
  return found;
}

}  // namespace muster::env
