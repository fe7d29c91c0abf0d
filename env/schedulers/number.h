// Numbers as schedulers write them.
#ifndef MUSTER_ENV_SCHEDULERS_NUMBER_H_
#define MUSTER_ENV_SCHEDULERS_NUMBER_H_

#include <algorithm>
#include <concepts>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"

namespace muster::env {

// `text` as a number in digits, without sign and space, that `T` can hold.
// False where it is anything else, and `number` is then of no use.
template <std::unsigned_integral T>
bool ParseNumber(absl::string_view text, T* number) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(text, number);
}

}  // namespace muster::env

#endif  // MUSTER_ENV_SCHEDULERS_NUMBER_H_
