// Reads what a worker writes.
#ifndef MUSTER_LAUNCHER_STREAMS_PIPE_READER_H_
#define MUSTER_LAUNCHER_STREAMS_PIPE_READER_H_

#include <array>
#include <asio/io_context.hpp>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"

namespace muster::streams {

// What one read may bring. All readers of a loop share one.
using ReadBuffer = std::array<char, 256 * 1024>;

// Job: hand the bytes of one pipe to the agent, in order, as they come: the
// first ones at once; while more follow, in portions, so that a worker that
// writes all the time is not disturbed by a reader that wakes at each write.
// Life cycle: reads from construction on until the pipe ends, Abandon, or
// destruction. on_end comes exactly once unless the reader is destroyed first.
// Threads: the loop's only. Callbacks run on the loop or, where it says so,
// inside a call; a callback may destroy the reader.
// Ownership: owns the file descriptor, which it makes non-blocking and whose
// pipe it makes larger where that is allowed. `loop` and
// `buffer` must outlive it; bytes are valid until on_bytes returns or a reader
// of the same buffer is drained.
class PipeReader {
 public:
  struct Callbacks {
    absl::AnyInvocable<void(absl::string_view bytes)> on_bytes;
    absl::AnyInvocable<void()> on_end;  // end of file or a read error
  };

  PipeReader(asio::io_context& loop, ReadBuffer& buffer, int fd,
             Callbacks callbacks);
  ~PipeReader();
  PipeReader(const PipeReader&) = delete;
  PipeReader& operator=(const PipeReader&) = delete;

  // While paused nothing is read, so that the pipe fills and its writer waits.
  void Pause();
  void Resume();

  // Reads what is in the pipe at this moment, paused or not, inside the call.
  // Calls on_end when the pipe has ended. Bounded by the pipe's size even if
  // somebody goes on writing.
  void DrainNow();

  // Gives up a pipe that a grandchild keeps open: DrainNow, close, on_end; all
  // inside the call.
  void Abandon();

 private:
  class State;
  // Shared with the operation that waits for the pipe.
  const std::shared_ptr<State> state_;
};

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_PIPE_READER_H_
