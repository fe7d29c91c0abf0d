// Slurm's way to write many hosts and many numbers in few characters.
#ifndef MUSTER_ENV_SCHEDULERS_HOSTLIST_H_
#define MUSTER_ENV_SCHEDULERS_HOSTLIST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace muster::env {

// The hosts of `text`, in its order, repetitions included:
//
//   list   = token { ("," | whitespace) token }, outside of brackets
//   token  = text [ group text ]...
//   group  = "[" range { "," range } "]"
//   range  = number | low "-" high
//
// The width of `low` pads with zeros ("n[08-10]" is n08 n09 n10); of several
// groups the left one is the outer loop ("r[0-1]n[0-1]" is r0n0 r0n1 r1n0
// r1n1). Nothing of the answer is made before its size is known.
//
// Errors, which show the token:
//   InvalidArgument  not of this grammar; an empty token, which a list cut
//                    short leaves behind; a range that runs backwards; a name
//                    longer than 253 bytes; more than 65536 hosts.
absl::StatusOr<std::vector<std::string>> ExpandHostlist(absl::string_view text);

// The numbers of "2(x3),1": 2, 2, 2, 1.
//
// Errors:
//   InvalidArgument  not of this form, a number above 65535, or more than
//                    65536 of them; the text shows the part.
absl::StatusOr<std::vector<uint32_t>> ExpandCounts(absl::string_view text);

}  // namespace muster::env

#endif  // MUSTER_ENV_SCHEDULERS_HOSTLIST_H_
