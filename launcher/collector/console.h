// What people see of the workers' output: whole lines, each with its rank.
#ifndef MUSTER_LAUNCHER_COLLECTOR_CONSOLE_H_
#define MUSTER_LAUNCHER_COLLECTOR_CONSOLE_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "proto/job.pb.h"

namespace muster::collector {

// Job: turn the bytes of many streams into lines "[rank] text\n" that never
// mix. A line ends at "\n", "\r\n", or a lone "\r" (where it is not empty, so
// that progress bars leave no blank lines); one over 64 KiB is cut into
// several.
// Life cycle: Write any number of times, End once per stream.
// Threads: one. No input or output of its own: lines go to the sink, several
// whole ones at a time.
class ConsolePrinter {
 public:
  using Sink = absl::AnyInvocable<void(absl::string_view lines)>;

  ConsolePrinter(Console mode, Sink sink);

  void Write(uint32_t rank, bool is_stderr, absl::string_view bytes);

  // Prints what is left without a line end. The stream may start again.
  void End(uint32_t rank, bool is_stderr);
  // The same for all streams.
  void EndAll();

 private:
  struct Line {
    std::string text;  // not printed yet
    bool after_return = false;
    bool returned_empty = false;  // that "\r" ended an empty line
  };

  bool IsShown(uint32_t rank) const;

  const Console mode_;
  Sink sink_;
  std::map<std::pair<uint32_t, bool>, Line> lines_;
};

// Job: write lines to a file descriptor, blocking or not, whole. When nobody
// reads it any more it falls silent for good and the job goes on.
// Threads: one, on which SIGPIPE is blocked or ignored. A reader that is
// merely slow holds the caller.
// Ownership: borrows the descriptor.
class ConsoleWriter {
 public:
  explicit ConsoleWriter(int fd) : fd_(fd) {}

  void Write(absl::string_view bytes);
  bool is_silent() const { return silent_; }

 private:
  const int fd_;
  bool silent_ = false;
};

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_CONSOLE_H_
