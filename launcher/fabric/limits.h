// How fast hardware should be, and from when on it is too slow.
#ifndef MUSTER_LAUNCHER_FABRIC_LIMITS_H_
#define MUSTER_LAUNCHER_FABRIC_LIMITS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace muster::fabric {

// All speeds are busbw in GB/s of 1e9 bytes; see bandwidth.h.

struct Bound {
  double speed = 0;
  // Where it comes from: "0.80 of 18 NVLinks x 20.6 GB/s", "--limit-network".
  std::string origin;
};

struct Limits {
  double expected = 0;  // what the links carry; 0: unknown
  // Below these; none where nothing can be said, for that `reason`.
  std::optional<Bound> warn;
  std::optional<Bound> fail;
  // They rest on few measurements, as those of PCIe and of TCP do: what is
  // below them is only a warning, even with --strict. Who wants more says so:
  // --limit-local, --limit-network.
  bool warn_only = false;
  // Not even in comparison with others: speed means nothing here.
  bool never_judged = false;
  std::string reason;
};

// One GPU that takes part. What is unknown is 0, empty or false.
struct GpuHardware {
  std::string name;                 // "NVIDIA H100 80GB HBM3"
  uint32_t compute_capability = 0;  // 90 for 9.0
  uint32_t nvlinks = 0;             // active ones
  bool nvswitch = false;            // they lead to switches
  // The most that card and slot can do: the generation falls when idle.
  uint32_t pcie_generation = 0;
  uint32_t pcie_lanes = 0;
  bool mig = false;     // a slice of a GPU
  bool busy = false;    // another program computes on it
  bool shared = false;  // several ranks of the test run on it
};

// Among GPUs of one machine. Below two there is nothing to limit.
struct LocalFacts {
  std::vector<GpuHardware> gpus;
  // Of two GPUs without a switch: NVLinks between them.
  uint32_t nvlinks_between = 0;
  // In-switch reduction is off (NCCL_NVLS_ENABLE=0), or does not work.
  bool nvls_off = false;
};

// Between two nodes by RDMA, of one rail or of all: the slower node's.
struct NetworkFacts {
  std::vector<double> nics_gbit;  // Gb/s of every NIC in use; 0: unknown
  uint32_t rails = 1;             // that are measured together
  uint32_t rails_per_nic = 1;     // that share a NIC, each measured alone
  std::vector<GpuHardware> gpus;  // whose PCIe links may be slower
};

// What the user asked for: the flag that did, and GB/s. 0: no limit.
struct Override {
  absl::string_view flag;
  std::optional<double> speed;
};

// `bytes`: the size of the buffer that is reduced. Below 1 GiB less is expected
// than the links carry, as the fixed part of the time counts for more.
Limits LocalLimits(const LocalFacts& facts, uint64_t bytes,
                   const Override& by_user = {});
Limits NetworkLimits(const NetworkFacts& facts, uint64_t bytes,
                     const Override& by_user = {});
// By TCP, of NCCL's sockets and of Gloo. 0 Gb/s: unknown, as of virtual
// interfaces.
Limits TcpLimits(double gbit, const Override& by_user = {});

// Against others of the same phase, where all have the same hardware.
enum class Noise {
  kLow,   // RDMA, NVLink, PCIe
  kHigh,  // TCP: shared processors and shared interfaces
};
// `speeds`: of all tests of the phase that were complete; `what` names them
// ("pairs"). None for fewer than two.
Limits RelativeLimits(const std::vector<double>& speeds, Noise noise,
                      absl::string_view what);

enum class Speed {
  kNotJudged,  // there is no limit
  kFine,
  kWarn,
  kFail,
};
struct Judgement {
  Speed speed = Speed::kNotJudged;
  // The one that was missed; of a speed that is fine, the highest. Empty when
  // it is not judged.
  Bound bound;
  bool warn_only = false;  // every limit that was missed is of that kind
  std::string reason;      // why it is not judged
};
// The worse of both; of two that say the same, the one that is missed by more.
Judgement Judge(double busbw, const Limits& absolute, const Limits& relative);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_LIMITS_H_
