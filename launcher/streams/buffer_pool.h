// Buffers that are used again.
#ifndef MUSTER_LAUNCHER_STREAMS_BUFFER_POOL_H_
#define MUSTER_LAUNCHER_STREAMS_BUFFER_POOL_H_

#include <cstddef>
#include <memory>

namespace muster::streams {

// Job: hand out buffers of one size without the page faults that fresh ones of
// it cost. What is given back beyond a few is freed.
// Life cycle: a handle; buffers may outlive every one of them.
// Threads: any.
class BufferPool {
 public:
  static constexpr size_t kBytes = 256 * 1024;

  BufferPool();

  // Not initialized. It goes back when the last one lets go of it.
  std::shared_ptr<char[]> Get();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace muster::streams

#endif  // MUSTER_LAUNCHER_STREAMS_BUFFER_POOL_H_
