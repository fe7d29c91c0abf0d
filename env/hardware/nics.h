// The network hardware of this node, as the kernel sees it.
#ifndef MUSTER_ENV_HARDWARE_NICS_H_
#define MUSTER_ENV_HARDWARE_NICS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace muster::env {

struct Nic {
  // "mlx5_0", of an adapter with several ports "mlx5_0:2"; "eth0".
  std::string name;
  // "infiniband", "roce" and "ethernet"; of other adapters that speak RDMA what
  // the kernel calls them, such as "unspecified" of EFA.
  std::string layer;
  bool active = false;
  double gbps = 0;    // line rate; 0: unknown
  std::string state;  // in the kernel's words: "ACTIVE, LinkUp", "up"
};

// The ports of RDMA adapters, then the network interfaces that are hardware
// (virtual machines' as well) or several of those bonded; each by name, with
// eth2 before eth10. What is virtual within the node, such as lo, veth and
// bridges, says nothing of the fabric and is left out. `root` is put before
// /sys.
//
// What cannot be read is unknown, and not active: a container may hide /sys.
std::vector<Nic> ListNics(const std::string& root = "");

// The line rate of the interface in Gb/s; 0: unknown, as of virtual ones, which
// make one up (veth: 10), and of those that do not know it (virtio).
double InterfaceGbps(absl::string_view name, const std::string& root = "");

}  // namespace muster::env

#endif  // MUSTER_ENV_HARDWARE_NICS_H_
