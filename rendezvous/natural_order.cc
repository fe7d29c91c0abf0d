#include "rendezvous/natural_order.h"

#include <cstddef>

#include "absl/strings/ascii.h"

namespace muster::rendezvous {
namespace {

// The run of digits at `*at`, without leading zeros; moves `*at` behind it.
std::string TakeNumber(const std::string& text, size_t* at) {
  size_t begin = *at;
  while (*at < text.size() && absl::ascii_isdigit(text[*at])) ++*at;
  while (begin + 1 < *at && text[begin] == '0') ++begin;
  return text.substr(begin, *at - begin);
}

}  // namespace

std::strong_ordering NaturalCompare(const std::string& a,
                                    const std::string& b) {
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() && j < b.size()) {
    if (absl::ascii_isdigit(a[i]) && absl::ascii_isdigit(b[j])) {
      const std::string x = TakeNumber(a, &i);
      const std::string y = TakeNumber(b, &j);
      if (x.size() != y.size()) return x.size() <=> y.size();
      if (const auto order = x <=> y; order != 0) return order;
      continue;
    }
    if (a[i] != b[j]) return a[i] <=> b[j];
    ++i;
    ++j;
  }
  if (const auto rest = (a.size() - i) <=> (b.size() - j); rest != 0) {
    return rest;
  }
  return a <=> b;
}

}  // namespace muster::rendezvous
