// What a line is, for those who look at a log.
#ifndef MUSTER_LAUNCHER_HISTORY_DISPLAY_LINES_H_
#define MUSTER_LAUNCHER_HISTORY_DISPLAY_LINES_H_

#include <cstddef>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace muster::history {

inline constexpr size_t kMaxDisplayLine = 64 * 1024;

// Job: cut the bytes of one log into display lines. A line ends at "\n", at
// "\r\n", at a lone "\r" (where it is not empty, so that progress bars leave
// no blank lines), and at 64 KiB, never within a character of UTF-8. What has
// no end yet is kept back until Show or End.
// Life cycle: Add and Show any number of times, then End.
// Threads: one. Pure: lines go to the sink, which must not call back.
class DisplayLines {
 public:
  // Text that goes on with the line; whether the line ends with it. Valid
  // during the call.
  using Sink = absl::FunctionRef<void(absl::string_view text, bool ends)>;

  void Add(absl::string_view bytes, Sink sink);

  // Hands out what is kept back, but for a character that is not whole. The
  // line goes on.
  void Show(Sink sink);

  // Hands out everything that is kept back. The next byte begins a line.
  void End(Sink sink);

  bool keeps_back() const { return !kept_.empty(); }

 private:
  void Extend(absl::string_view bytes, Sink sink);
  void EndLine(absl::string_view rest, Sink sink);

  std::string kept_;
  size_t shown_ = 0;  // bytes of the line that Show has handed out
  bool after_return_ = false;
  bool returned_empty_ = false;  // that "\r" stood on an empty line
};

}  // namespace muster::history

#endif  // MUSTER_LAUNCHER_HISTORY_DISPLAY_LINES_H_
