#include "tests/support/fabric_stand_ins/wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::stand_in {
namespace {

// What NCCL_SOCKET_IFNAME says of an interface.
bool IsChosen(std::string_view list, std::string_view name) {
  bool exclude = false;
  bool exact = false;
  if (!list.empty() && list[0] == '^') {
    exclude = true;
    list.remove_prefix(1);
  }
  if (!list.empty() && list[0] == '=') {
    exact = true;
    list.remove_prefix(1);
  }
  bool named = false;
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    const std::string_view one = list.substr(0, end);
    named = named || (exact ? name == one : name.substr(0, end) == one);
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return named != exclude;
}

bool IsUsable(const ifaddrs& one) {
  if (one.ifa_addr == nullptr || (one.ifa_flags & IFF_UP) == 0) return false;
  if (one.ifa_addr->sa_family == AF_INET) return true;
  if (one.ifa_addr->sa_family != AF_INET6) return false;
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(one.ifa_addr);
  return !IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr);
}

void Copy(const ifaddrs& one, Address* address, std::string* interface) {
  *interface = one.ifa_name;
  const size_t size = one.ifa_addr->sa_family == AF_INET ? sizeof(sockaddr_in)
                                                         : sizeof(sockaddr_in6);
  memcpy(&address->storage, one.ifa_addr, size);
}

void SetBlocking(int fd, bool blocking) {
  const int flags = fcntl(fd, F_GETFL);
  fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

}  // namespace

socklen_t Address::size() const {
  return family() == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
}

std::string Address::Text() const {
  char text[INET6_ADDRSTRLEN] = {};
  uint16_t port = 0;
  if (family() == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    port = ntohs(v4->sin_port);
  } else {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    port = ntohs(v6->sin6_port);
  }
  return std::string(text) + "<" + std::to_string(port) + ">";
}

bool OwnAddress(Address* address, std::string* interface) {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return false;
  const char* list = getenv("NCCL_SOCKET_IFNAME");
  const bool named = list != nullptr && *list != '\0';
  bool found = false;
  for (const bool loopback : {false, true}) {
    for (const ifaddrs* one = all; one != nullptr && !found;
         one = one->ifa_next) {
      const bool is_loopback = (one->ifa_flags & IFF_LOOPBACK) != 0;
      if (!IsUsable(*one) || is_loopback != loopback) continue;
      if (named && !IsChosen(list, one->ifa_name)) continue;
      Copy(*one, address, interface);
      found = true;
    }
  }
  freeifaddrs(all);
  return found;
}

Abort::Abort() : fd_(eventfd(0, EFD_CLOEXEC)) {}
Abort::~Abort() { close(fd_); }

void Abort::Set() {
  is_set_ = true;
  const uint64_t one = 1;
  if (write(fd_, &one, sizeof one) < 0) _exit(99);
}

void Abort::Wait() const {
  pollfd waited = {fd_, POLLIN, 0};
  while (!is_set_) poll(&waited, 1, -1);
}

Wire::Wire(int fd) : fd_(fd) {
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  SetBlocking(fd_, false);
}

Wire::~Wire() {
  if (fd_ >= 0) close(fd_);
}

Wire::Wire(Wire&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Wire& Wire::operator=(Wire&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Wire Wire::Listen(Address* address) {
  const int fd = socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  socklen_t size = sizeof address->storage;
  auto* raw = reinterpret_cast<sockaddr*>(&address->storage);
  if (fd < 0 || bind(fd, raw, address->size()) != 0 || listen(fd, 1024) != 0 ||
      getsockname(fd, raw, &size) != 0) {
    if (fd >= 0) close(fd);
    return {};
  }
  return Wire(fd);
}

Wire Wire::Connect(const Address& address, const Abort& abort, Way* way) {
  *way = Way::kClosed;
  const int fd = socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return {};
  Wire wire(fd);
  const auto* raw = reinterpret_cast<const sockaddr*>(&address.storage);
  if (connect(fd, raw, address.size()) != 0 && errno != EINPROGRESS) return {};
  pollfd waited[2] = {{fd, POLLOUT, 0}, {abort.fd(), POLLIN, 0}};
  while (waited[0].revents == 0) {
    if (abort.is_set()) {
      *way = Way::kAborted;
      return {};
    }
    poll(waited, 2, -1);
  }
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return {};
  *way = Way::kDone;
  return wire;
}

Wire Wire::Accept(const Abort& abort, Way* way) const {
  for (;;) {
    if (abort.is_set()) {
      *way = Way::kAborted;
      return {};
    }
    const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) {
      *way = Way::kDone;
      return Wire(fd);
    }
    pollfd waited[2] = {{fd_, POLLIN, 0}, {abort.fd(), POLLIN, 0}};
    poll(waited, 2, -1);
  }
}

Way Wire::Send(const void* data, size_t size, const Abort& abort) const {
  return Exchange(*this, data, size, *this, nullptr, 0, abort);
}

Way Wire::Receive(void* data, size_t size, const Abort& abort) const {
  return Exchange(*this, nullptr, 0, *this, data, size, abort);
}

Way Wire::Exchange(const Wire& out, const void* sent, size_t out_size,
                   const Wire& in, void* received, size_t in_size,
                   const Abort& abort) {
  const char* from = static_cast<const char*>(sent);
  char* to = static_cast<char*>(received);
  while (out_size > 0 || in_size > 0) {
    if (abort.is_set()) return Way::kAborted;
    bool moved = false;
    if (out_size > 0) {
      const ssize_t size = send(out.fd_, from, out_size, MSG_NOSIGNAL);
      if (size < 0 && errno != EAGAIN && errno != EINTR) return Way::kClosed;
      if (size > 0) {
        from += size;
        out_size -= static_cast<size_t>(size);
        moved = true;
      }
    }
    if (in_size > 0) {
      const ssize_t size = recv(in.fd_, to, in_size, 0);
      if (size == 0) return Way::kClosed;
      if (size < 0 && errno != EAGAIN && errno != EINTR) return Way::kClosed;
      if (size > 0) {
        to += size;
        in_size -= static_cast<size_t>(size);
        moved = true;
      }
    }
    if (moved) continue;
    pollfd waited[3] = {{out_size > 0 ? out.fd_ : -1, POLLOUT, 0},
                        {in_size > 0 ? in.fd_ : -1, POLLIN, 0},
                        {abort.fd(), POLLIN, 0}};
    poll(waited, 3, -1);
  }
  return Way::kDone;
}

}  // namespace muster::stand_in
