#include "env/hardware/network.h"

#include <arpa/inet.h>

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/hardware/interfaces.h"

namespace muster::env {
namespace {

constexpr uint32_t kLoopback = 127U << 24;
constexpr int kLoopbackPrefix = 8;

std::optional<uint32_t> ParseV4(const std::string& text) {
  in_addr address;
  if (inet_pton(AF_INET, text.c_str(), &address) != 1) return std::nullopt;
  return ntohl(address.s_addr);
}

// A shift by 32 would be undefined.
uint32_t Mask(int prefix_length) {
  return prefix_length == 0 ? 0 : ~0U << (32 - prefix_length);
}

}  // namespace

bool Network::Contains(const std::string& other) const {
  const std::optional<uint32_t> parsed = ParseV4(other);
  return parsed && (*parsed & Mask(prefix_length)) == address;
}

std::string Network::ToString() const {
  return absl::StrCat(address >> 24, ".", address >> 16 & 255, ".",
                      address >> 8 & 255, ".", address & 255, "/",
                      prefix_length);
}

absl::StatusOr<Network> MakeNetwork(const std::string& address,
                                    int prefix_length) {
  const std::optional<uint32_t> parsed = ParseV4(address);
  if (!parsed || prefix_length < 0 || prefix_length > 32) {
    return absl::InvalidArgumentError(
        absl::StrCat(address, "/", prefix_length, " is no IPv4 network"));
  }
  return Network{*parsed & Mask(prefix_length), prefix_length};
}

absl::StatusOr<Network> NetworkOf(const std::string& address) {
  const Network loopback = {kLoopback, kLoopbackPrefix};
  if (loopback.Contains(address)) return loopback;
  absl::StatusOr<std::vector<InterfaceAddress>> interfaces = ListInterfaces();
  if (!interfaces.ok()) return interfaces.status();
  for (const InterfaceAddress& one : *interfaces) {
    if (one.address == address) return MakeNetwork(address, one.prefix_length);
  }
  return absl::NotFoundError(
      absl::StrCat("no network interface of this node holds ", address));
}

}  // namespace muster::env
