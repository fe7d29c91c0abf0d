#include "launcher/fabric/gloo/interruptible.h"

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

namespace muster::fabric {

using gloo::transport::UnboundBuffer;

class InterruptibleContext::Buffer : public UnboundBuffer {
 public:
  Buffer(InterruptibleContext* context, std::unique_ptr<UnboundBuffer> inner)
      : UnboundBuffer(inner->ptr, inner->size),
        context_(context),
        inner_(std::move(inner)) {
    context_->Add(this);
  }
  ~Buffer() override { context_->Remove(this); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  bool waitRecv(int* from, std::chrono::milliseconds timeout) override {
    if (!inner_->waitRecv(from, timeout)) throw Interrupted();
    return true;
  }
  bool waitSend(int* to, std::chrono::milliseconds timeout) override {
    if (!inner_->waitSend(to, timeout)) throw Interrupted();
    return true;
  }
  // Remembered, where nobody waits: the next wait ends at once.
  void abortWaitRecv() override { inner_->abortWaitRecv(); }
  void abortWaitSend() override { inner_->abortWaitSend(); }

  void send(int to, uint64_t slot, size_t offset, size_t bytes) override {
    inner_->send(to, slot, offset, bytes);
  }
  void recv(int from, uint64_t slot, size_t offset, size_t bytes) override {
    inner_->recv(from, slot, offset, bytes);
  }
  void recv(std::vector<int> from, uint64_t slot, size_t offset,
            size_t bytes) override {
    inner_->recv(std::move(from), slot, offset, bytes);
  }

 private:
  InterruptibleContext* const context_;
  const std::unique_ptr<UnboundBuffer> inner_;
};

std::unique_ptr<UnboundBuffer> InterruptibleContext::createUnboundBuffer(
    void* ptr, size_t bytes) {
  return std::make_unique<Buffer>(this,
                                  inner_->createUnboundBuffer(ptr, bytes));
}

void InterruptibleContext::Interrupt() {
  const std::lock_guard lock(buffers_mutex_);
  interrupted_ = true;
  for (Buffer* buffer : buffers_) {
    buffer->abortWaitRecv();
    buffer->abortWaitSend();
  }
}

void InterruptibleContext::Add(Buffer* buffer) {
  const std::lock_guard lock(buffers_mutex_);
  if (interrupted_) throw Interrupted();
  buffers_.insert(buffer);
}

void InterruptibleContext::Remove(Buffer* buffer) {
  const std::lock_guard lock(buffers_mutex_);
  buffers_.erase(buffer);
}

}  // namespace muster::fabric
