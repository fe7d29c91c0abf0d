#ifndef MUSTER_LAUNCHER_PROCESS_UNIQUE_FD_H_
#define MUSTER_LAUNCHER_PROCESS_UNIQUE_FD_H_

#include <unistd.h>

#include <utility>

namespace muster::process {

// Owns one file descriptor and closes it. Movable; -1 is "none". Not
// synchronized.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    Reset(other.Release());
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

  // The caller owns the descriptor from here on.
  int Release() { return std::exchange(fd_, -1); }

  void Reset(int fd = -1) {
    const int old = std::exchange(fd_, fd);
    if (old >= 0) close(old);
  }

 private:
  int fd_ = -1;
};

}  // namespace muster::process

#endif  // MUSTER_LAUNCHER_PROCESS_UNIQUE_FD_H_
