// Whether a program's files can be used again, wherever a crash has come.
//
//   absl::StatusOr<Trace> trace = RecordCalls({"program"}, directory);
//   CrashReport report = ReplayCrashes(*trace, {}, [](const CrashState& state)
//   {
//     return ...;  // recovers state.directory, looks for what state.marks say
//   });
//   EXPECT_THAT(report.problems, IsEmpty()) << report;
#ifndef MUSTER_TESTS_SUPPORT_CRASH_REPLAY_REPLAY_H_
#define MUSTER_TESTS_SUPPORT_CRASH_REPLAY_REPLAY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/support/crash_replay/disk_model.h"
#include "tests/support/crash_replay/trace.h"

namespace muster::test {

struct CrashState {
  std::string directory;  // a fresh one, which the check may change
  // What the program had printed by then, at the latest: each of these lines
  // may have been read by somebody.
  std::vector<std::string> marks;
  bool is_the_end = false;  // no crash: all calls are over and on the disk
};

// "" or what is wrong.
using CrashCheck = std::function<std::string(const CrashState& state)>;

struct CrashOptions {
  DiskModel model = DiskModel::kJournaled;
  uint64_t seed = 1;
  // After each call, besides those where as little or as much as can be has
  // survived.
  size_t random_states = 4;
  // Crashes are tried only after this many calls, and not after that many.
  size_t first_call = 0;
  size_t last_call = std::numeric_limits<size_t>::max();
  absl::Duration deadline = absl::Seconds(5);  // of one check
};

struct CrashReport {
  size_t calls = 0;                   // after each of which a crash was tried
  size_t states = 0;                  // that were checked; the same one is once
  size_t failed = 0;                  // of them
  std::vector<std::string> problems;  // the first few, each with its state
};
std::ostream& operator<<(std::ostream& out, const CrashReport& report);

// Rebuilds the directory as crashes after each prefix of the trace's calls may
// have left it, and runs `check` on each of these states, in a process of its
// own: one that dies or does not end is a problem, too. The calling process has
// only the calling thread.
CrashReport ReplayCrashes(const Trace& trace, const CrashOptions& options,
                          const CrashCheck& check);

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_CRASH_REPLAY_REPLAY_H_
