// Building blocks of flag_values.cc: kinds of values that several flags share.
#ifndef MUSTER_LAUNCHER_FLAG_CODEC_H_
#define MUSTER_LAUNCHER_FLAG_CODEC_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "launcher/duration.h"
#include "proto/job.pb.h"

namespace muster::launcher {

using Values = std::vector<std::string>;

// Reads and writes the value of one flag. Plain functions without state.
struct Codec {
  // Errors: InvalidArgument when the value is wrong; the message says what is
  // right and reads on after "--flag VALUE: ". The spec is then unchanged.
  absl::Status (*read)(const std::string& value, JobSpec* spec);
  // One value for each time that the flag is to be given; none where the spec
  // says nothing. read() of each gives the same spec.
  Values (*write)(const JobSpec& spec);
};

inline absl::Status Must(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("must be ", what));
}

inline absl::Status NotInThisVersion(absl::string_view instead) {
  return absl::InvalidArgumentError(
      absl::StrCat("not in this version; ", instead));
}

// Digits only: no sign and no space.
inline bool ParseCount(absl::string_view text, uint32_t* count) {
  return std::all_of(text.begin(), text.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(text, count);
}

inline absl::Status ReadSwitch(const std::string& value, bool* on) {
  *on = value == "true" || value == "1" || value == "yes";
  return *on || value == "false" || value == "0" || value == "no"
             ? absl::OkStatus()
             : Must("true or false");
}

inline Values Given(const std::string& value) {
  return value.empty() ? Values{} : Values{value};
}

template <std::string* (JobSpec::*mutable_field)(),
          const std::string& (JobSpec::*field)() const>
constexpr Codec TextCodec() {
  return {[](const std::string& value, JobSpec* spec) {
            *(spec->*mutable_field)() = value;
            return absl::OkStatus();
          },
          [](const JobSpec& spec) { return Given((spec.*field)()); }};
}

template <void (JobSpec::*set_field)(int64_t),
          int64_t (JobSpec::*field)() const, Zero zero>
constexpr Codec DurationCodec() {
  return {[](const std::string& value, JobSpec* spec) {
            const absl::StatusOr<absl::Duration> read =
                ParseDuration(value, zero);
            if (read.ok()) {
              (spec->*set_field)(absl::ToInt64Milliseconds(*read));
            }
            return read.status();
          },
          [](const JobSpec& spec) {
            return Values{
                absl::FormatDuration(absl::Milliseconds((spec.*field)()))};
          }};
}

template <typename Enum>
struct Choice {
  const char* word;
  Enum value;
};

// The value that `word` stands for, or the enum's zero value.
template <typename Enum, size_t n>
Enum FromWord(const Choice<Enum> (&choices)[n], absl::string_view word) {
  for (const Choice<Enum>& choice : choices) {
    if (choice.word == word) return choice.value;
  }
  return Enum{};
}

template <typename Enum, size_t n>
Values ToWord(const Choice<Enum> (&choices)[n], Enum value) {
  for (const Choice<Enum>& choice : choices) {
    if (choice.value == value) return {choice.word};
  }
  return {};
}

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_FLAG_CODEC_H_
