// What NCCL's own log (NCCL_DEBUG=INFO) says of the way it took.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_LOG_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_LOG_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace muster::fabric {

// A NIC or, for sockets, an interface.
struct NcclNic {
  std::string name;   // "mlx5_0", "eth0"
  std::string layer;  // "IB" or "RoCE"; the address for an interface
  auto operator<=>(const NcclNic&) const = default;
};

// One initialisation, in seconds.
struct NcclInitTimings {
  uint32_t rank = 0;
  uint32_t ranks = 0;
  double total = 0;
  std::map<std::string, double> parts;  // "kernels", "bootstrap", "topo", ...
};

struct NcclLog {
  std::string version;         // "2.28.9+cuda13.0"
  std::string network;         // "IB", "Socket" or a plugin's name
  std::vector<NcclNic> nics;   // of that network, each once
  bool no_infiniband = false;  // NCCL looked for it, and there is none
  // How the channels go ("NET/IB/0/GDRDMA", "P2P/CUMEM", "SHM/direct/direct"),
  // and how many of them.
  std::map<std::string, uint32_t> transports;
  // What it says that may be why it does not use InfiniBand or RoCE: "Failed to
  // open libibverbs.so[.1]", "NCCL_IB_DISABLE set by environment to 1"; each
  // once.
  std::vector<std::string> no_rdma;
  std::optional<bool> nvls;  // in-switch reduction can be used
  // Why not: "NCCL_NVLS_ENABLE set by environment to 0", "Failed to bind ...".
  std::string no_nvls;
  bool nvls_off = false;           // ... as the job wished
  std::optional<bool> gpu_direct;  // by all NICs of which it was said
  std::vector<NcclInitTimings> inits;
  // Warnings without their prefix, in order: the first ones, as the cause comes
  // before what follows from it, and the last ones.
  std::vector<std::string> warnings;
};

// Reads the logs of NCCL 2.4 to 2.30, also of several ranks in one text. What
// is not understood is left out: garbage, and a last line that is cut off.
NcclLog ParseNcclLog(absl::string_view text);

// Between nodes it goes over TCP.
bool UsesSockets(const NcclLog& log);

// Why an initialisation was slow: "3.1 s of 4.0 s in bootstrap: ...". "" when
// no part took most of the time.
std::string SlowInitText(const NcclInitTimings& timings);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_LOG_H_
