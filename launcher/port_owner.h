// Who listens on a port of this host.
#ifndef MUSTER_LAUNCHER_PORT_OWNER_H_
#define MUSTER_LAUNCHER_PORT_OWNER_H_

#include <cstdint>
#include <string>

namespace muster::launcher {

// "process 12 (python3)", as far as /proc shows it to this user; "" where it
// does not.
std::string PortOwner(uint32_t port);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_PORT_OWNER_H_
