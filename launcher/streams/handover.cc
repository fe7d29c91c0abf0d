#include "launcher/streams/handover.h"

#include <utility>

namespace muster::streams {
namespace {

// Chunks are counted whole: all but the last are nearly full.
constexpr size_t kMostChunks = Handover::kBound / Chunk::kCapacity;

}  // namespace

Handover::Handover(Callbacks callbacks) : callbacks_(std::move(callbacks)) {}

void Handover::AddData(StreamId stream, uint64_t offset,
                       absl::string_view bytes) {
  absl::MutexLock lock(&mutex_);
  const bool was_empty = queue_.empty();
  if (was_empty && !bytes.empty()) Append();
  while (!bytes.empty()) {
    const size_t taken = queue_.back()->AddData(stream, offset, bytes);
    if (taken == 0) Append();
    offset += taken;
    bytes.remove_prefix(taken);
  }
  Filled(was_empty);
}

void Handover::AddEnd(StreamId stream, uint64_t offset, StreamEnd how) {
  absl::MutexLock lock(&mutex_);
  const bool was_empty = queue_.empty();
  if (was_empty || !queue_.back()->AddEnd(stream, offset, how)) {
    Append().AddEnd(stream, offset, how);
  }
  Filled(was_empty);
}

std::unique_ptr<Chunk> Handover::Take() {
  absl::MutexLock lock(&mutex_);
  if (queue_.empty()) return nullptr;
  std::unique_ptr<Chunk> chunk = std::move(queue_.front());
  queue_.pop_front();
  if (paused_ && queue_.size() <= kMostChunks / 2) {
    paused_ = false;
    callbacks_.on_pause(false);
  }
  return chunk;
}

void Handover::Return(std::unique_ptr<Chunk> chunk) {
  chunk->Clear();
  absl::MutexLock lock(&mutex_);
  if (spares_.size() < kSpares) spares_.push_back(std::move(chunk));
}

Chunk& Handover::Append() {
  if (spares_.empty()) {
    queue_.push_back(std::make_unique<Chunk>());
  } else {
    queue_.push_back(std::move(spares_.back()));
    spares_.pop_back();
  }
  return *queue_.back();
}

void Handover::Filled(bool was_empty) {
  if (was_empty && !queue_.empty()) callbacks_.on_filled();
  if (!paused_ && queue_.size() >= kMostChunks) {
    paused_ = true;
    callbacks_.on_pause(true);
  }
}

}  // namespace muster::streams
