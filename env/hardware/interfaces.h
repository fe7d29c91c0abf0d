// The network interfaces of this node and the addresses on them. Addresses
// are numeric text, IPv4 or IPv6, in the form that inet_ntop writes; a
// link-local IPv6 address carries its scope ("fe80::1%eth0"). An IPv4 address
// inside IPv6 ("::ffff:10.0.0.4") is treated as the IPv4 address.
#ifndef MUSTER_ENV_HARDWARE_INTERFACES_H_
#define MUSTER_ENV_HARDWARE_INTERFACES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace muster::env {

// One address of one interface. An interface with two addresses is listed
// twice, one without any is left out.
struct InterfaceAddress {
  std::string name;
  std::string address;
  bool loopback = false;
  bool up = false;
  int prefix_length = 0;  // of its IPv4 network, in bits; 0 for IPv6
};

// All addresses of this node, in the kernel's order.
//
// Errors:
//   INTERNAL  the kernel does not list them (the text says why).
absl::StatusOr<std::vector<InterfaceAddress>> ListInterfaces();

// The name of the interface in `interfaces` that holds `address`. Every
// address of 127/8 belongs to the loopback interface.
//
// Errors:
//   INVALID_ARGUMENT  `address` is not a numeric address.
//   NOT_FOUND         no interface holds it.
absl::StatusOr<std::string> FindInterface(
    const std::vector<InterfaceAddress>& interfaces, absl::string_view address);

// FindInterface() in the list of this node. Errors: those of both functions.
absl::StatusOr<std::string> InterfaceOf(absl::string_view address);

// Whether `address` is one of this node's own. All of 127/8 and ::1 are; what
// is not a numeric address is not.
bool IsLocalAddress(absl::string_view address);

// The address of this node from which the kernel would send to `address`.
// Sends nothing.
//
// Errors:
//   INVALID_ARGUMENT  `address` is not a numeric address.
//   UNAVAILABLE       the kernel has no way there (no route, interface down,
//                     address family switched off).
absl::StatusOr<std::string> SourceAddressTo(absl::string_view address,
                                            uint16_t port);

}  // namespace muster::env

#endif  // MUSTER_ENV_HARDWARE_INTERFACES_H_
