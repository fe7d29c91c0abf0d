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

LogKey ToKey(const LogName& name) {
  return {name.attempt(), name.number(), name.kind()};
}

LogName ToName(const LogKey& key) {
  LogName name;
  name.set_attempt(key.attempt);
  name.set_number(key.number);
  name.set_kind(key.kind);
  return name;
}

std::optional<LogKey> ParseLogFile(absl::string_view name, uint32_t attempt) {
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
  return LogKey{attempt, *number, kind};
}

std::optional<uint32_t> ParseAttempt(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, "attempt")) return std::nullopt;
  const std::optional<uint32_t> attempt = Digits(name);
  if (!attempt || *attempt == 0) return std::nullopt;
  return attempt;
}

std::string Speaker(const LogKey& log) {
  return absl::StrCat(log.kind == STREAM_AGENT ? "node" : "", log.number);
}

std::string ShortName(const LogKey& log) {
  const char* const ending = log.kind == STREAM_AGENT    ? ".agent"
                             : log.kind == STREAM_STDERR ? ".stderr"
                                                         : ".stdout";
  return absl::StrCat(
      log.attempt == 0 ? "" : absl::StrCat("attempt", log.attempt, "/"),
      Speaker(log), ending);
}

}  // namespace muster::history
