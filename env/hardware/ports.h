// A TCP port that is held for a worker until the worker takes it.
#ifndef MUSTER_ENV_HARDWARE_PORTS_H_
#define MUSTER_ENV_HARDWARE_PORTS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace muster::env {

// Job: keeps everybody else from a TCP port by holding a socket bound to it on
// all addresses, IPv6 and IPv4 (only IPv4 where there is no IPv6). The socket
// never listens and shares the port with nobody, so a bind by another process
// fails with EADDRINUSE, and once it is closed the port is free at once.
//
// Life cycle: Bind(); then the port is published; then either the object ends
// and the port is free, or ReleaseFd() hands the socket on, for example to the
// process that execs the worker. The socket is close-on-exec, so the exec is
// the moment at which the port becomes free.
//
// Threads: none of its own; use from one thread at a time.
// Ownership: owns the socket; move-only; a moved-from object holds nothing.
class HeldPort {
 public:
  struct Options {
    // Two numbers: ports that the kernel gives to outgoing connections. They
    // are avoided, since such a connection could take the port in the moment
    // between the close and the worker's bind.
    std::string ephemeral_range = "/proc/sys/net/ipv4/ip_local_port_range";
  };

  // Binds a random port from 10000 on outside the kernel's range, or, where
  // none is free there, one that the kernel picks.
  //
  // Errors:
  //   RESOURCE_EXHAUSTED  no file descriptor is left.
  //   UNAVAILABLE         no port is free or the kernel refuses the socket
  //                       (the text says why).
  static absl::StatusOr<HeldPort> Bind() { return Bind(Options()); }
  static absl::StatusOr<HeldPort> Bind(const Options& options);

  // Binds this port and no other.
  //
  // Errors, which name the port: the same; also
  //   ALREADY_EXISTS      another program has it.
  //   PERMISSION_DENIED   it is below 1024 and this is an ordinary user.
  static absl::StatusOr<HeldPort> BindTo(uint16_t port);

  HeldPort() = default;  // holds nothing
  HeldPort(HeldPort&& other) noexcept;
  HeldPort& operator=(HeldPort&& other) noexcept;
  ~HeldPort();

  // The number stays known after ReleaseFd().
  uint16_t port() const { return port_; }

  // Gives up the socket; the caller closes it. -1 if it was given up before.
  int ReleaseFd();

 private:
  HeldPort(int fd, uint16_t port) : fd_(fd), port_(port) {}

  int fd_ = -1;
  uint16_t port_ = 0;
};

}  // namespace muster::env

#endif  // MUSTER_ENV_HARDWARE_PORTS_H_
