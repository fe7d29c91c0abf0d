#include "env/hardware/interfaces.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace muster::env {
namespace {

// A numeric address as the socket calls take it.
struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t size = 0;

  const sockaddr* get() const {
    return reinterpret_cast<const sockaddr*>(&storage);
  }
};

SocketAddress FromV4(in_addr address, uint16_t port) {
  SocketAddress result;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&result.storage);
  v4->sin_family = AF_INET;
  v4->sin_addr = address;
  v4->sin_port = htons(port);
  result.size = sizeof(sockaddr_in);
  return result;
}

std::optional<SocketAddress> Parse(absl::string_view address, uint16_t port) {
  const std::string text(address);
  in_addr v4;
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return FromV4(v4, port);

  // Unlike inet_pton, getaddrinfo knows scopes.
  addrinfo hints = {};
  hints.ai_family = AF_INET6;
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (getaddrinfo(text.c_str(), nullptr, &hints, &found) != 0) {
    return std::nullopt;
  }
  absl::Cleanup free = [found] { freeaddrinfo(found); };
  SocketAddress result;
  std::memcpy(&result.storage, found->ai_addr, found->ai_addrlen);
  result.size = found->ai_addrlen;
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.storage);
  if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
    std::memcpy(&v4, &v6->sin6_addr.s6_addr[12], sizeof(v4));
    return FromV4(v4, port);
  }
  v6->sin6_port = htons(port);
  return result;
}

// The one form in which addresses are compared and shown.
std::string Text(const sockaddr* address, socklen_t size) {
  char text[NI_MAXHOST];
  return getnameinfo(address, size, text, sizeof(text), nullptr, 0,
                     NI_NUMERICHOST) == 0
             ? text
             : "";
}

int PrefixLength(const sockaddr* mask) {
  if (mask == nullptr || mask->sa_family != AF_INET) return 0;
  return std::popcount(
      reinterpret_cast<const sockaddr_in*>(mask)->sin_addr.s_addr);
}

bool IsLoopbackV4(const SocketAddress& address) {
  if (address.storage.ss_family != AF_INET) return false;
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
  return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
}

absl::Status NotNumeric(absl::string_view address) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", address,
                   "\" is not a numeric IPv4 or IPv6 address of this node's "
                   "networks; resolve the name first"));
}

absl::Status NoWayTo(absl::string_view address, const char* call) {
  return absl::UnavailableError(absl::StrCat(
      "this node has no way to ", address, " (", call, ": ",
      std::strerror(errno), "); check its routes and that its network is up"));
}

}  // namespace

absl::StatusOr<std::vector<InterfaceAddress>> ListInterfaces() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) {
    return absl::InternalError(
        absl::StrCat("cannot list the network interfaces of this node: "
                     "getifaddrs: ",
                     std::strerror(errno)));
  }
  absl::Cleanup free = [list] { freeifaddrs(list); };
  std::vector<InterfaceAddress> interfaces;
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr) continue;
    const int family = at->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    const socklen_t size =
        family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    interfaces.push_back({.name = at->ifa_name,
                          .address = Text(at->ifa_addr, size),
                          .loopback = (at->ifa_flags & IFF_LOOPBACK) != 0,
                          .up = (at->ifa_flags & IFF_UP) != 0,
                          .prefix_length = PrefixLength(at->ifa_netmask)});
  }
  return interfaces;
}

absl::StatusOr<std::string> FindInterface(
    const std::vector<InterfaceAddress>& interfaces,
    absl::string_view address) {
  const std::optional<SocketAddress> parsed = Parse(address, 0);
  if (!parsed) return NotNumeric(address);
  const std::string wanted = Text(parsed->get(), parsed->size);
  for (const InterfaceAddress& one : interfaces) {
    if (one.address == wanted) return one.name;
  }
  if (IsLoopbackV4(*parsed)) {
    for (const InterfaceAddress& one : interfaces) {
      if (one.loopback) return one.name;
    }
  }
  return absl::NotFoundError(
      absl::StrCat("no network interface of this node holds ", address,
                   "; `ip address` lists those that it has"));
}

absl::StatusOr<std::string> InterfaceOf(absl::string_view address) {
  const absl::StatusOr<std::vector<InterfaceAddress>> interfaces =
      ListInterfaces();
  if (!interfaces.ok()) return interfaces.status();
  return FindInterface(*interfaces, address);
}

bool IsLocalAddress(absl::string_view address) {
  const std::optional<SocketAddress> parsed = Parse(address, 0);
  if (!parsed) return false;
  if (IsLoopbackV4(*parsed)) return true;
  return Text(parsed->get(), parsed->size) == "::1" ||
         InterfaceOf(address).ok();
}

absl::StatusOr<std::string> SourceAddressTo(absl::string_view address,
                                            uint16_t port) {
  const std::optional<SocketAddress> target = Parse(address, port);
  if (!target) return NotNumeric(address);
  const int fd =
      socket(target->storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return NoWayTo(address, "socket");
  absl::Cleanup close_fd = [fd] { close(fd); };
  // Connecting a datagram socket only asks the routing table.
  if (connect(fd, target->get(), target->size) != 0) {
    return NoWayTo(address, "connect");
  }
  SocketAddress source;
  source.size = sizeof(source.storage);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&source.storage),
                  &source.size) != 0) {
    return NoWayTo(address, "getsockname");
  }
  return Text(source.get(), source.size);
}

}  // namespace muster::env
