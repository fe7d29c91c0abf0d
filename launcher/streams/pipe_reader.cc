#include "launcher/streams/pipe_reader.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <cerrno>
#include <system_error>
#include <utility>

namespace muster::streams {

class PipeReader::State : public std::enable_shared_from_this<State> {
 public:
  State(asio::io_context& loop, ReadBuffer& buffer, Callbacks callbacks)
      : buffer_(buffer), callbacks_(std::move(callbacks)), pipe_(loop) {}

  void Start(asio::io_context& loop, int fd) {
    std::error_code error;
    pipe_.assign(fd, error);
    if (error) {
      close(fd);
    } else {
      pipe_.non_blocking(true, error);
    }
    if (!error) return Wait();
    asio::post(loop, [self = shared_from_this()] { self->End(); });
  }

  void SetPaused(bool paused) {
    paused_ = paused;
    if (!paused) Wait();
  }

  void Drain() {
    int left = 0;
    if (ended_ || ioctl(pipe_.native_handle(), FIONREAD, &left) != 0) return;
    // One read more than there was, to see the end.
    size_t rest = static_cast<size_t>(std::max(left, 0));
    for (bool last = false; !last && !ended_;) {
      last = rest == 0;
      const size_t got = ReadOnce();
      if (got == 0) return;
      rest -= std::min(rest, got);
    }
  }

  void End() {
    if (ended_) return;
    Close();
    callbacks_.on_end();
  }

  // No callback comes after this.
  void Close() {
    ended_ = true;
    std::error_code ignored;
    pipe_.close(ignored);
  }

 private:
  void Wait() {
    if (waiting_ || paused_ || ended_) return;
    waiting_ = true;
    pipe_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](std::error_code error) {
                       self->waiting_ = false;
                       if (self->ended_ || self->paused_) return;
                       error ? self->End() : (void)self->ReadOnce();
                       self->Wait();
                     });
  }

  size_t ReadOnce() {
    ssize_t got;
    do {
      got = read(pipe_.native_handle(), buffer_.data(), buffer_.size());
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
      callbacks_.on_bytes(
          absl::string_view(buffer_.data(), static_cast<size_t>(got)));
      return static_cast<size_t>(got);
    }
    if (got == 0 || errno != EAGAIN) End();
    return 0;
  }

  ReadBuffer& buffer_;
  Callbacks callbacks_;
  asio::posix::stream_descriptor pipe_;
  bool waiting_ = false;
  bool paused_ = false;
  bool ended_ = false;
};

PipeReader::PipeReader(asio::io_context& loop, ReadBuffer& buffer, int fd,
                       Callbacks callbacks)
    : state_(std::make_shared<State>(loop, buffer, std::move(callbacks))) {
  state_->Start(loop, fd);
}

PipeReader::~PipeReader() { state_->Close(); }

void PipeReader::Pause() { state_->SetPaused(true); }
void PipeReader::Resume() { state_->SetPaused(false); }

void PipeReader::DrainNow() {
  const std::shared_ptr<State> alive = state_;
  alive->Drain();
}

void PipeReader::Abandon() {
  const std::shared_ptr<State> alive = state_;
  alive->Drain();
  alive->End();
}

}  // namespace muster::streams
