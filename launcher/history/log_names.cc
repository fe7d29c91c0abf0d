#include "launcher/history/log_names.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace muster::history {
namespace {

std::optional<uint32_t> Digits(absl::string_view text) {
  uint32_t number = 0;
  if (!std::all_of(text.begin(), text.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(text, &number)) {
    return std::nullopt;
  }
  return number;
}

}  // namespace

std::string PathOf(const LogDirectory& directory) {
  std::string path = "logs";
  if (directory.attempt > 0) {
    absl::StrAppend(&path, "/attempt", directory.attempt);
  }
  if (directory.incarnation > 0) {
    absl::StrAppend(&path, "/incarnation", directory.incarnation);
  }
  return path;
}

std::optional<LogDirectory> ParseDirectory(absl::string_view name,
                                           const LogDirectory& directory) {
  LogDirectory below = directory;
  uint32_t* number = nullptr;
  if (directory.incarnation == 0 && absl::ConsumePrefix(&name, "incarnation")) {
    number = &below.incarnation;
  } else if (directory == LogDirectory() &&
             absl::ConsumePrefix(&name, "attempt")) {
    number = &below.attempt;
  } else {
    return std::nullopt;
  }
  *number = Digits(name).value_or(0);
  if (*number == 0) return std::nullopt;
  return below;
}

LogKey ToKey(const LogName& name) {
  return {name.attempt(), name.number(), name.incarnation(), name.kind()};
}

LogName ToName(const LogKey& key) {
  LogName name;
  name.set_attempt(key.attempt);
  name.set_number(key.number);
  name.set_incarnation(key.incarnation);
  name.set_kind(key.kind);
  return name;
}

std::optional<LogKey> ParseLogFile(absl::string_view name,
                                   const LogDirectory& directory) {
  StreamKind kind = STREAM_UNSPECIFIED;
  if (absl::ConsumeSuffix(&name, ".stdout")) {
    kind = STREAM_STDOUT;
  } else if (absl::ConsumeSuffix(&name, ".stderr")) {
    kind = STREAM_STDERR;
  } else if (absl::ConsumeSuffix(&name, ".agent") &&
             absl::ConsumePrefix(&name, "node")) {
    kind = STREAM_AGENT;
  } else {
    return std::nullopt;
  }
  const std::optional<uint32_t> number = Digits(name);
  if (!number) return std::nullopt;
  return LogKey{directory.attempt, *number, directory.incarnation, kind};
}

std::string Speaker(const LogKey& log) {
  return absl::StrCat(log.kind == STREAM_AGENT ? "node" : "", log.number);
}

std::string ShortName(const LogKey& log) {
  const char* const ending = log.kind == STREAM_AGENT    ? ".agent"
                             : log.kind == STREAM_STDERR ? ".stderr"
                                                         : ".stdout";
  const std::string path = PathOf({log.attempt, log.incarnation});
  return absl::StrCat(absl::StripPrefix(path.substr(4), "/"),
                      path == "logs" ? "" : "/", Speaker(log), ending);
}

}  // namespace muster::history
