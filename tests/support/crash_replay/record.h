// Watches what a program does to a directory.
#ifndef MUSTER_TESTS_SUPPORT_CRASH_REPLAY_RECORD_H_
#define MUSTER_TESTS_SUPPORT_CRASH_REPLAY_RECORD_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/support/crash_replay/trace.h"

namespace muster::test {

struct RecordOptions {
  std::map<std::string, std::string> env;  // on top of the test's environment
  // The process that makes the so-and-so-manieth event of the trace is killed
  // right after it: for programs that go on as another process. 0: none is.
  size_t kill_at = 0;
};

// Runs `argv` (looked up in PATH) until it and all that it started have ended,
// and records what they did to `directory` and below.
//
// Calls that change the directory are let through one after the other, so that
// their order is known; syncs run beside them, as they do in life. What the
// program prints is taken as marks, line by line, in the order of the calls: so
// it says what it has promised to somebody. It must flush each line.
//
// The program is traced with ptrace: no leak check of its own. Blocks; any
// thread may call, several at once too.
//
// Errors:
//   Internal       the directory or the program can't be used or traced.
//   Unimplemented  the program did to the directory what is not modelled: a
//                  writable shared mapping, O_SYNC, O_TMPFILE, a symbolic or
//                  device node, names from elsewhere moved in, io_uring, some
//                  kinds of fallocate. The message names the call.
absl::StatusOr<Trace> RecordCalls(const std::vector<std::string>& argv,
                                  const std::string& directory,
                                  const RecordOptions& options = {});

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_CRASH_REPLAY_RECORD_H_
