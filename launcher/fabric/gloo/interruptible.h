// Gloo's transport, with operations that can be interrupted.
#ifndef MUSTER_LAUNCHER_FABRIC_GLOO_INTERRUPTIBLE_H_
#define MUSTER_LAUNCHER_FABRIC_GLOO_INTERRUPTIBLE_H_

#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include "gloo/transport/context.h"
#include "gloo/transport/pair.h"
#include "gloo/transport/unbound_buffer.h"

namespace muster::fabric {

// What a wait throws that is interrupted.
struct Interrupted : std::exception {
  const char* what() const noexcept override { return "interrupted"; }
};

// Job: a transport context around another one, which does the work. A
// connection that breaks in the middle of a message wakes nobody who waits for
// that message: Gloo leaves it to its timeouts, which would close all other
// connections as well.
// Life cycle: must outlive its buffers. After Interrupt it is of no use.
// Threads: as the inner one; Interrupt from any.
class InterruptibleContext : public gloo::transport::Context {
 public:
  explicit InterruptibleContext(std::shared_ptr<gloo::transport::Context> inner)
      : Context(inner->rank, inner->size), inner_(std::move(inner)) {}

  std::unique_ptr<gloo::transport::Pair>& getPair(int peer) override {
    return inner_->getPair(peer);
  }
  std::unique_ptr<gloo::transport::Pair>& createPair(int peer) override {
    return inner_->createPair(peer);
  }
  std::unique_ptr<gloo::transport::UnboundBuffer> createUnboundBuffer(
      void* ptr, size_t bytes) override;

  // What waits for a buffer throws Interrupted, and so does the next wait and
  // who makes a buffer later on.
  void Interrupt();

 private:
  class Buffer;
  void Add(Buffer* buffer);
  void Remove(Buffer* buffer);

  const std::shared_ptr<gloo::transport::Context> inner_;

  std::mutex buffers_mutex_;
  // ---- guarded by buffers_mutex_ ----
  std::set<Buffer*> buffers_;
  bool interrupted_ = false;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_GLOO_INTERRUPTIBLE_H_
