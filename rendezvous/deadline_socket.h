// A TCP connection for blocking code that has a deadline.
#ifndef MUSTER_RENDEZVOUS_DEADLINE_SOCKET_H_
#define MUSTER_RENDEZVOUS_DEADLINE_SOCKET_H_

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>

#include "rendezvous/timing.h"

namespace muster::rendezvous {

enum class Io {
  kDone,
  kClosed,   // by the peer
  kTimeout,  // the deadline is over
  kError,    // error() says which
};

// Job: one non-blocking TCP socket whose operations share one deadline.
// Life cycle: Connect() first; closes on destruction.
// Threads: one.
// Ownership: owns the descriptor.
class DeadlineSocket {
 public:
  // `fd` is a non-blocking stream socket.
  DeadlineSocket(int fd, Instant deadline) : fd_(fd), deadline_(deadline) {}
  DeadlineSocket(const DeadlineSocket&) = delete;
  DeadlineSocket& operator=(const DeadlineSocket&) = delete;
  ~DeadlineSocket() { close(fd_); }

  // The errno of the last kError.
  int error() const { return error_; }

  Io Connect(const sockaddr* address, socklen_t size) {
    if (connect(fd_, address, size) == 0) return Io::kDone;
    if (errno != EINPROGRESS) return Fail(errno);
    if (Io waited = Wait(POLLOUT); waited != Io::kDone) return waited;
    int error = 0;
    socklen_t length = sizeof(error);
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length);
    return error == 0 ? Io::kDone : Fail(error);
  }

  Io Send(const char* data, size_t size) {
    while (size > 0) {
      const ssize_t n = send(fd_, data, size, MSG_NOSIGNAL);
      if (n >= 0) {
        data += n;
        size -= static_cast<size_t>(n);
      } else if (errno == EAGAIN) {
        if (Io waited = Wait(POLLOUT); waited != Io::kDone) return waited;
      } else if (errno != EINTR) {
        return Fail(errno);
      }
    }
    return Io::kDone;
  }

  // At least one byte and at most `size`.
  Io Receive(char* data, size_t size, size_t* received) {
    while (true) {
      // First, so that a peer that never pauses meets the deadline too.
      if (Io waited = Wait(POLLIN); waited != Io::kDone) return waited;
      const ssize_t n = recv(fd_, data, size, 0);
      if (n > 0) {
        *received = static_cast<size_t>(n);
        return Io::kDone;
      }
      if (n == 0 || errno == ECONNRESET) return Io::kClosed;
      if (errno != EAGAIN && errno != EINTR) return Fail(errno);
    }
  }

 private:
  Io Fail(int error) {
    error_ = error;
    return Io::kError;
  }

  Io Wait(short events) {  // NOLINT(google-runtime-int): poll's own type
    while (true) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(
          deadline_ - std::chrono::steady_clock::now());
      if (left.count() <= 0) return Io::kTimeout;
      pollfd entry = {fd_, events, 0};
      const int ready = poll(&entry, 1, static_cast<int>(left.count()));
      if (ready > 0) return Io::kDone;
      if (ready < 0 && errno != EINTR) return Fail(errno);
    }
  }

  const int fd_;
  const Instant deadline_;
  int error_ = 0;
};

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_DEADLINE_SOCKET_H_
