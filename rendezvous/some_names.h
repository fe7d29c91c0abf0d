// Lists of names in messages.
#ifndef MUSTER_RENDEZVOUS_SOME_NAMES_H_
#define MUSTER_RENDEZVOUS_SOME_NAMES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace muster::rendezvous {

inline constexpr size_t kNamesShown = 8;

// At most kNamesShown names, so that a message stays readable at any size.
inline std::string SomeNames(std::vector<std::string> names) {
  if (names.size() <= kNamesShown) return absl::StrJoin(names, ", ");
  const size_t more = names.size() - kNamesShown;
  names.resize(kNamesShown);
  return absl::StrCat(absl::StrJoin(names, ", "), " and ", more, " more");
}

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_SOME_NAMES_H_
