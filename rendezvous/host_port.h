// How an address and its port are written.
#ifndef MUSTER_RENDEZVOUS_HOST_PORT_H_
#define MUSTER_RENDEZVOUS_HOST_PORT_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"

namespace muster::rendezvous {

inline bool IsIpv6(const std::string& address) {
  return address.find(':') != std::string::npos;
}

// "10.0.0.4:2222"; "[fd00::4]:2222".
inline std::string HostPort(const std::string& address, uint32_t port) {
  return IsIpv6(address) ? absl::StrCat("[", address, "]:", port)
                         : absl::StrCat(address, ":", port);
}

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_HOST_PORT_H_
