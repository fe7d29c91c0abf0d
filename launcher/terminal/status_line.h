// The last line of a terminal, which says how far something is.
#ifndef MUSTER_LAUNCHER_TERMINAL_STATUS_LINE_H_
#define MUSTER_LAUNCHER_TERMINAL_STATUS_LINE_H_

#include "absl/strings/string_view.h"

namespace muster::terminal {

// Takes the line that is shown, if any, off standard error: for who is about to
// write lines to the terminal. It comes back when it is shown next. Any thread;
// never waits for others that write.
void EraseStatusLine();

// Job: a line of text at the end of standard error, redrawn in place. A process
// shows one at a time.
// Life cycle: Show again and again; Clear, or destruction, takes it away.
// Threads: any.
class StatusLine {
 public:
  // Shows nothing unless standard error is a terminal.
  StatusLine();
  ~StatusLine();
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  bool is_on() const { return is_on_; }
  // `text` has no control characters and fits into the terminal's width.
  void Show(absl::string_view text);
  void Clear();

 private:
  const bool is_on_;
};

}  // namespace muster::terminal

#endif  // MUSTER_LAUNCHER_TERMINAL_STATUS_LINE_H_
