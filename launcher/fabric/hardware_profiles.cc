#include "launcher/fabric/hardware_profiles.h"

#include <algorithm>

#include "absl/strings/str_split.h"

namespace muster::fabric {
namespace {

// Only what the links' speeds do not tell: in-switch reduction (NVLS) lets
// eight H100 reach 1.27 times the ring's speed, and a ring that takes its place
// in silence is faster than 0.80 of the ring's.
constexpr LocalProfile kLocalProfiles[] = {
    // NVLS: 473 at 8 GiB (ml-engineering benchmarks), 475 at 4 GiB (nccl-tests
    // #272); ring 363-367. Azure's health checks ask for 460 and 431 at 16 GiB.
    {"H100", 8, 18, 473, 420, 300, true},
    {"H200", 8, 18, 473, 420, 300, true},
    // NVLS: 838 at 8 GiB, ring 682 (ml-engineering benchmarks).
    {"B200", 8, 18, 838, 760, 500, true},
    // 230.8 at 1 GiB (nccl #527); Azure asks for 228 at 16 GiB.
    {"A100", 8, 12, 230, 200, 140},
    // RCCL: 313 at 4 GiB (ml-engineering benchmarks). A mesh: two of them reach
    // 48, so nothing is to be concluded for fewer.
    {"MI300X", 8, 0, 313, 290, 190},
};

// From NCCL's own model (src/graph/topo.h, 2.30), highest first.
struct Nvlink {
  uint32_t compute_capability;
  double rate;
};
constexpr Nvlink kNvlinks[] = {
    {100, 40.1},  // Blackwell, NVLink 5
    {90, 20.6},   // Hopper, NVLink 4
    {87, 20.0},   // as NCCL has it for whatever is not listed
    {86, 12.0},   // consumer Ampere
    {80, 20.0},   // A100, NVLink 3
    {70, 20.0},   // V100, NVLink 2
    {60, 18.0},   // P100, NVLink 1
};

// GT/s of one lane and the share of it that is payload (the PCIe
// specifications: 8b/10b, then 128b/130b, then FLITs of 242 in 256 bytes).
struct Pcie {
  double rate;
  double encoding;
};
constexpr Pcie kPcie[] = {
    {2.5, 0.8},        {5, 0.8},          {8, 128.0 / 130},
    {16, 128.0 / 130}, {32, 128.0 / 130}, {64, 242.0 / 256},
};

}  // namespace

const LocalProfile* FindLocalProfile(absl::string_view gpu_name, uint32_t gpus,
                                     uint32_t nvlinks) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(gpu_name, absl::ByAnyChar(" -_"));
  for (const LocalProfile& profile : kLocalProfiles) {
    const bool named =
        std::find(words.begin(), words.end(), profile.gpu) != words.end();
    if (named && gpus == profile.gpus && nvlinks >= profile.nvlinks) {
      return &profile;
    }
  }
  return nullptr;
}

double NvlinkRate(uint32_t compute_capability) {
  for (const Nvlink& nvlink : kNvlinks) {
    if (compute_capability >= nvlink.compute_capability) return nvlink.rate;
  }
  return 0;
}

double PcieRate(uint32_t generation, uint32_t lanes) {
  if (generation == 0 || generation > std::size(kPcie)) return 0;
  const Pcie& pcie = kPcie[generation - 1];
  return pcie.rate * pcie.encoding * lanes / 8;
}

}  // namespace muster::fabric
