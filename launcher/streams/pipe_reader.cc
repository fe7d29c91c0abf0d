#include "launcher/streams/pipe_reader.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include "launcher/process/unique_fd.h"

namespace muster::streams {
namespace {

using std::chrono::microseconds;

constexpr int kPipeBytes = 1 << 20;
// A portion is to be about this large: some fit into a pipe, so that its writer
// does not have to wait either.
constexpr size_t kPortion = 128 * 1024;
constexpr microseconds kShortestPause{250};
constexpr microseconds kLongestPause{8000};

// From the last pause, and what had come in it.
microseconds NextPause(microseconds last, size_t got) {
  if (got > 2 * kPortion) last /= 2;
  if (got < kPortion) last *= 2;
  return std::clamp(last, kShortestPause, kLongestPause);
}

}  // namespace

class PipeReader::State : public std::enable_shared_from_this<State> {
 public:
  State(asio::io_context& loop, ReadBuffer& buffer, int fd, Callbacks callbacks)
      : buffer_(buffer),
        callbacks_(std::move(callbacks)),
        pipe_(fd),
        bell_(loop),
        rest_(loop) {}

  void Start(asio::io_context& loop) {
    fcntl(pipe_.get(), F_SETPIPE_SZ, kPipeBytes);
    const int flags = fcntl(pipe_.get(), F_GETFL);
    epoll_event event = {.events = 0, .data = {}};
    std::error_code error;
    if (fcntl(pipe_.get(), F_SETFL, flags | O_NONBLOCK) == 0) {
      bell_.assign(epoll_create1(EPOLL_CLOEXEC), error);
    }
    if (bell_.is_open() && epoll_ctl(bell_.native_handle(), EPOLL_CTL_ADD,
                                     pipe_.get(), &event) == 0) {
      return Wait();
    }
    asio::post(loop, [self = shared_from_this()] { self->End(); });
  }

  void SetPaused(bool paused) {
    paused_ = paused;
    if (!paused) Wait();
  }

  void Drain() {
    int left = 0;
    if (ended_ || ioctl(pipe_.get(), FIONREAD, &left) != 0) return;
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
    bell_.close(ignored);
    rest_.cancel();
    pipe_.Reset();
  }

 private:
  void Wait() {
    if (waiting_ || paused_ || ended_) return;
    waiting_ = true;
    SetBell();
    bell_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](std::error_code error) {
                       self->waiting_ = false;
                       if (self->ended_) return;
                       if (error) return self->End();
                       self->SilenceBell();
                       if (!self->paused_) self->Read();
                     });
  }

  // What is there; and then it is left alone for a while.
  void Read() {
    const size_t got = ReadOnce();
    if (ended_) return;
    portion_ += got;
    if (got == buffer_.size()) return Wait();
    pause_ = NextPause(pause_, std::exchange(portion_, 0));
    waiting_ = true;
    rest_.expires_after(pause_);
    rest_.async_wait([self = shared_from_this()](std::error_code error) {
      self->waiting_ = false;
      if (!error) self->Wait();
    });
  }

  void SetBell() {
    epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data = {}};
    epoll_ctl(bell_.native_handle(), EPOLL_CTL_MOD, pipe_.get(), &event);
  }

  void SilenceBell() {
    epoll_event event;
    epoll_wait(bell_.native_handle(), &event, 1, 0);
  }

  size_t ReadOnce() {
    ssize_t got;
    do {
      got = read(pipe_.get(), buffer_.data(), buffer_.size());
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
  process::UniqueFd pipe_;
  // An epoll of its own that says when there is something in the pipe, once
  // each time that it is asked: the loop's would wake at each write.
  asio::posix::stream_descriptor bell_;
  asio::steady_timer rest_;
  microseconds pause_ = kShortestPause;
  size_t portion_ = 0;    // bytes since the last rest
  bool waiting_ = false;  // for the bell or for the end of the rest
  bool paused_ = false;
  bool ended_ = false;
};

PipeReader::PipeReader(asio::io_context& loop, ReadBuffer& buffer, int fd,
                       Callbacks callbacks)
    : state_(std::make_shared<State>(loop, buffer, fd, std::move(callbacks))) {
  state_->Start(loop);
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
