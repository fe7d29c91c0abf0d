#include "env/hardware/ports.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <random>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace muster::env {
namespace {

constexpr int kFirstPort = 10000;
constexpr int kLastPort = 65535;
// So many busy ports in a row mean that looking further is a waste.
constexpr int kTries = 100;

// Ports from kFirstPort on that the kernel does not give to outgoing
// connections: [kFirstPort, low) and (high, kLastPort].
struct Candidates {
  int low;
  int high;

  int below() const { return low - kFirstPort; }
  int count() const { return below() + kLastPort - high; }
  uint16_t at(int i) const {
    return static_cast<uint16_t>(i < below() ? kFirstPort + i
                                             : high + 1 + i - below());
  }
};

Candidates ReadCandidates(const std::string& path) {
  std::ifstream file(path);
  int low = 0;
  int high = 0;
  if (!(file >> low >> high)) {
    low = 32768;  // the kernel's own default
    high = 60999;
  }
  low = std::clamp(low, kFirstPort, kLastPort + 1);
  return {.low = low, .high = std::clamp(high, low - 1, kLastPort)};
}

// Binds to `port` (0: the kernel's choice) on every address of `family`.
// Returns the socket, or -1 with errno set.
int BindWildcard(int family, uint16_t port) {
  const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  sockaddr_storage address = {};
  socklen_t size = 0;
  int result = 0;
  if (family == AF_INET6) {
    const int no = 0;
    result = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    size = sizeof(*v6);
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    size = sizeof(*v4);
  }
  if (result == 0) {
    result = bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  }
  if (result == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

int BindAnyFamily(uint16_t port) {
  const int fd = BindWildcard(AF_INET6, port);
  if (fd >= 0 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL)) return fd;
  return BindWildcard(AF_INET, port);
}

absl::Status CannotHold(const char* call, int error) {
  const std::string text = absl::StrCat(
      "cannot hold a TCP port for the workers on this node: ", call, ": ",
      std::strerror(error));
  if (error == EMFILE || error == ENFILE) {
    return absl::ResourceExhaustedError(
        absl::StrCat(text, "; raise the limit of open files (ulimit -n)"));
  }
  return absl::UnavailableError(
      absl::StrCat(text, "; check with `ss -tan` what uses the ports"));
}

}  // namespace

absl::StatusOr<HeldPort> HeldPort::Bind(const Options& options) {
  const Candidates candidates = ReadCandidates(options.ephemeral_range);
  std::random_device random;
  int fd = -1;
  errno = EADDRINUSE;
  for (int i = 0; candidates.count() > 0 && i < kTries; ++i) {
    std::uniform_int_distribution<int> pick(0, candidates.count() - 1);
    fd = BindAnyFamily(candidates.at(pick(random)));
    if (fd >= 0 || errno != EADDRINUSE) break;
  }
  if (fd < 0 && errno == EADDRINUSE) fd = BindAnyFamily(0);
  if (fd < 0) return CannotHold("bind", errno);

  sockaddr_in6 bound = {};  // sin_port lies where sin6_port lies
  socklen_t size = sizeof(bound);
  HeldPort held(fd, 0);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return CannotHold("getsockname", errno);
  }
  held.port_ = ntohs(bound.sin6_port);
  return held;
}

absl::StatusOr<HeldPort> HeldPort::BindTo(uint16_t port) {
  const int fd = BindAnyFamily(port);
  if (fd >= 0) return HeldPort(fd, port);
  if (errno == EADDRINUSE) {
    return absl::AlreadyExistsError(
        absl::StrCat("TCP port ", port, " is taken; `ss -tanp sport = :", port,
                     "` on that node shows by whom"));
  }
  if (errno == EACCES) {
    return absl::PermissionDeniedError(absl::StrCat(
        "TCP port ", port, " is not for ordinary users; take one from 1024"));
  }
  return CannotHold("bind", errno);
}

HeldPort::HeldPort(HeldPort&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), port_(std::exchange(other.port_, 0)) {}

HeldPort& HeldPort::operator=(HeldPort&& other) noexcept {
  HeldPort taken(std::move(other));
  std::swap(fd_, taken.fd_);
  std::swap(port_, taken.port_);
  return *this;
}

HeldPort::~HeldPort() {
  if (fd_ >= 0) close(fd_);
}

int HeldPort::ReleaseFd() { return std::exchange(fd_, -1); }

}  // namespace muster::env
