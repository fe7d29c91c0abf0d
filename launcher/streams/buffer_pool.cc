#include "launcher/streams/buffer_pool.h"

#include <mutex>
#include <utility>
#include <vector>

namespace muster::streams {
namespace {

constexpr size_t kSpares = 4;

}  // namespace

struct BufferPool::State {
  std::mutex mutex;
  std::vector<std::unique_ptr<char[]>> spares;  // guarded by mutex
};

BufferPool::BufferPool() : state_(std::make_shared<State>()) {}

std::shared_ptr<char[]> BufferPool::Get() {
  std::unique_ptr<char[]> buffer;
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    if (!state_->spares.empty()) {
      buffer = std::move(state_->spares.back());
      state_->spares.pop_back();
    }
  }
  if (!buffer) buffer = std::make_unique_for_overwrite<char[]>(kBytes);
  return {buffer.release(), [state = state_](char* bytes) {
            std::unique_ptr<char[]> returned(bytes);
            const std::lock_guard<std::mutex> lock(state->mutex);
            if (state->spares.size() < kSpares) {
              state->spares.push_back(std::move(returned));
            }
          }};
}

}  // namespace muster::streams
