// System calls that take paths, whichever of their forms they have.
#ifndef MUSTER_TESTS_SUPPORT_CRASH_REPLAY_NAME_CALL_H_
#define MUSTER_TESTS_SUPPORT_CRASH_REPLAY_NAME_CALL_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "tests/support/crash_replay/object_table.h"
#include "tests/support/crash_replay/tracee.h"

namespace muster::test {

struct NameCall {
  enum class Kind { kOpen, kRename, kUnlink, kMakeDir, kLink, kNode };
  Kind kind = Kind::kOpen;
  PlaceOfName place;
  PlaceOfName target;  // of rename and link
  uint64_t flags = 0;  // of open and rename
};

// Nothing for a call that takes no path. The thread must stand still.
std::optional<NameCall> NameCallOf(const SystemCall& call,
                                   const ObjectTable& table);

// The numbers of all of them.
const std::vector<uint64_t>& NameCallNumbers();

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_CRASH_REPLAY_NAME_CALL_H_
