// The IPv4 network that an address of this node belongs to.
#ifndef MUSTER_ENV_HARDWARE_NETWORK_H_
#define MUSTER_ENV_HARDWARE_NETWORK_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace muster::env {

// An IPv4 network, such as 10.0.0.0/24. A value.
struct Network {
  uint32_t address = 0;  // host byte order; no bit beyond the prefix
  int prefix_length = 0;

  // Whether a numeric IPv4 address is in it; other text is not.
  bool Contains(const std::string& other) const;
  std::string ToString() const;
};

// The network that holds `address` where its prefix has that length. Errors:
//   INVALID_ARGUMENT  no numeric IPv4 address.
absl::StatusOr<Network> MakeNetwork(const std::string& address,
                                    int prefix_length);

// The network of this node's interface that holds `address`; 127.0.0.0/8 for
// all of 127/8.
//
// Errors:
//   INVALID_ARGUMENT  no numeric IPv4 address.
//   NOT_FOUND         no interface holds it.
//   INTERNAL          the kernel does not list the interfaces.
absl::StatusOr<Network> NetworkOf(const std::string& address);

}  // namespace muster::env

#endif  // MUSTER_ENV_HARDWARE_NETWORK_H_
