#include "launcher/streams/handover.h"

#include <utility>

namespace muster::streams {
namespace {

// Chunks are counted whole: all but the last are nearly full.
constexpr size_t kMostChunks = Handover::kBound / Chunk::kCapacity;

}  // namespace

Handover::Handover(BufferPool pool, Callbacks callbacks)
    : callbacks_(std::move(callbacks)), pool_(std::move(pool)) {}

void Handover::AddData(StreamId stream, uint64_t offset,
                       absl::string_view bytes) {
  absl::MutexLock lock(&mutex_);
  const bool was_empty = queue_.empty();
  if (was_empty && !bytes.empty()) Append();
  while (!bytes.empty()) {
    const size_t taken = queue_.back().AddData(stream, offset, bytes);
    if (taken == 0) Append();
    offset += taken;
    bytes.remove_prefix(taken);
  }
  Filled(was_empty);
}

void Handover::AddEnd(StreamId stream, uint64_t offset, StreamEnd how) {
  absl::MutexLock lock(&mutex_);
  const bool was_empty = queue_.empty();
  if (was_empty || !queue_.back().AddEnd(stream, offset, how)) {
    Append().AddEnd(stream, offset, how);
  }
  Filled(was_empty);
}

std::optional<Chunk> Handover::Take() {
  absl::MutexLock lock(&mutex_);
  if (queue_.empty()) return std::nullopt;
  std::optional<Chunk> chunk = std::move(queue_.front());
  queue_.pop_front();
  if (paused_ && queue_.size() <= kMostChunks / 2) {
    paused_ = false;
    callbacks_.on_pause(false);
  }
  return chunk;
}

Chunk& Handover::Append() {
  queue_.emplace_back(pool_.Get());
  return queue_.back();
}

void Handover::Filled(bool was_empty) {
  if (was_empty && !queue_.empty()) callbacks_.on_filled();
  if (!paused_ && queue_.size() >= kMostChunks) {
    paused_ = true;
    callbacks_.on_pause(true);
  }
}

}  // namespace muster::streams
