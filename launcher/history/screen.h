// Standard output of a command that people or pipes read.
#ifndef MUSTER_LAUNCHER_HISTORY_SCREEN_H_
#define MUSTER_LAUNCHER_HISTORY_SCREEN_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace muster::history {

// Job: write to a descriptor, whole.
// Life cycle: any number of Write. Threads: one, with SIGPIPE ignored.
// Ownership: borrows the descriptor.
class Screen {
 public:
  explicit Screen(int fd) : fd_(fd) {}

  // Errors:
  //   Cancelled  nobody reads any more: leave, and say nothing
  //   Internal   anything else, for people
  absl::Status Write(absl::string_view bytes);

  // Waits until `other` can be read (-1: never) or `until` has come, and no
  // longer than somebody reads the screen. Errors: Cancelled as above.
  absl::Status WaitFor(int other, absl::Time until);

 private:
  const int fd_;
};

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_SCREEN_H_
