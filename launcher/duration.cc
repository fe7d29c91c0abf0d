#include "launcher/duration.h"

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace muster::launcher {
namespace {

// Deadlines are added to a clock; a month is far from any overflow.
constexpr absl::Duration kLongest = absl::Hours(720);

}  // namespace

absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text,
                                             Zero zero) {
  absl::Duration duration;
  // A digit first: Abseil would also read signs and "inf".
  const bool readable = !text.empty() && absl::ascii_isdigit(text[0]) &&
                        absl::ParseDuration(text, &duration);
  if (!readable || duration > kLongest ||
      duration != absl::Trunc(duration, absl::Milliseconds(1)) ||
      (duration == absl::ZeroDuration() && zero == Zero::kRefused)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "must be a duration such as 500ms, 30s, 10m or 1h, ",
        zero == Zero::kAllowed ? "from 0s" : "from 1ms", " to 720h"));
  }
  return duration;
}

std::string ShortDuration(absl::Duration duration) {
  const absl::Duration unit =
      duration < absl::Minutes(1) ? absl::Milliseconds(100) : absl::Seconds(1);
  const absl::Duration shown = absl::Trunc(duration, unit);
  return shown == absl::ZeroDuration() && duration > absl::ZeroDuration()
             ? "under 100ms"
             : absl::FormatDuration(shown);
}

}  // namespace muster::launcher
