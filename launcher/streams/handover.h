// From the agent's loop to the thread that writes the spool.
#ifndef MUSTER_LAUNCHER_STREAMS_HANDOVER_H_
#define MUSTER_LAUNCHER_STREAMS_HANDOVER_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "launcher/streams/record.h"

namespace muster::streams {

// Job: a queue of chunks, bounded in that it says when readers have to pause.
// Small appends gather in one chunk as long as the other side is busy.
// Threads: AddData and AddEnd on one, Take on another.
// At most kBound bytes, and what comes until readers have paused.
class Handover {
 public:
  static constexpr size_t kBound = size_t{8} << 20;

  struct Callbacks {
    // Both are called under a lock, so that pauses and resumptions stay in
    // order: they may only post.
    std::function<void(bool paused)> on_pause;
    std::function<void()> on_filled;  // was empty
  };

  Handover(BufferPool pool, Callbacks callbacks);

  void AddData(StreamId stream, uint64_t offset, absl::string_view bytes)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void AddEnd(StreamId stream, uint64_t offset, StreamEnd how)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The oldest chunk, if there is one.
  std::optional<Chunk> Take() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Chunk& Append() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Filled(bool was_empty) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Callbacks callbacks_;
  absl::Mutex mutex_;
  BufferPool pool_ ABSL_GUARDED_BY(mutex_);
  std::deque<Chunk> queue_ ABSL_GUARDED_BY(mutex_);
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_HANDOVER_H_
