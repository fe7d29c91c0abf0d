// A function in a process of its own.
#ifndef MUSTER_TESTS_SUPPORT_CRASH_REPLAY_BOUNDED_CHECK_H_
#define MUSTER_TESTS_SUPPORT_CRASH_REPLAY_BOUNDED_CHECK_H_

#include <functional>
#include <string>

#include "absl/time/time.h"

namespace muster::test {

// What `check` returns, or that it died or took longer than the deadline. The
// calling process has only the calling thread.
std::string RunBounded(const std::function<std::string()>& check,
                       absl::Duration deadline);

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_CRASH_REPLAY_BOUNDED_CHECK_H_
