#include "launcher/fabric/phase_settings.h"

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "launcher/fabric/timing.h"

namespace muster::fabric {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kMebibyte = 1024 * 1024;

// The messages, where the user does not say.
constexpr uint64_t kGpuBytes = 256 * kMebibyte;
constexpr uint64_t kGpuLocalBytes = 1024 * kMebibyte;
constexpr uint64_t kGpuWorldBytes = 64 * kMebibyte;
constexpr uint64_t kGlooBytes = 4 * kMebibyte;
// Of GPUs that a simulation pretends: their memory is this machine's.
constexpr uint64_t kPretendedBytes = kMebibyte;

Patience PatienceOf(FabricPhase phase, const Scale& scale) {
  if (scale.settings.timeout_ms() > 0) {
    const milliseconds wanted(scale.settings.timeout_ms());
    return {wanted, wanted};
  }
  const bool gpus = HasGpus(scale.kind);
  switch (phase) {
    case FABRIC_PHASE_SOLO:
      return kGpuSolo;
    case FABRIC_PHASE_LOCAL:
      return kGpuLocal;
    case FABRIC_PHASE_NETWORK:
      return gpus ? kGpuNetwork : kGlooNetwork;
    default:
      return gpus ? kGpuWorld : kGlooWorld;
  }
}

bool ArePretended(const TestedNodes& nodes) {
  return std::any_of(nodes.begin(), nodes.end(), [](const TestedNode& node) {
    return node.inventory && node.inventory->pretended();
  });
}

uint64_t BytesOf(const TestedNodes& nodes, FabricPhase phase,
                 const Scale& scale) {
  if (scale.settings.bytes() > 0) return scale.settings.bytes();
  if (!HasGpus(scale.kind)) return kGlooBytes;
  if (ArePretended(nodes)) return kPretendedBytes;
  switch (phase) {
    case FABRIC_PHASE_LOCAL:
      return kGpuLocalBytes;
    case FABRIC_PHASE_WORLD:
      return kGpuWorldBytes;
    default:
      return kGpuBytes;
  }
}

}  // namespace

void SetUpGroup(const TestedNodes& nodes, const Scale& scale, FabricPhase phase,
                bool briefly, FabricGroup* group) {
  const Patience patience = PatienceOf(phase, scale);
  group->set_bytes(BytesOf(nodes, phase, scale));
  group->set_connect_ms(patience.connect.count());
  group->set_run_ms(patience.run.count());
  const milliseconds measure = briefly               ? kShortMeasure
                               : HasGpus(scale.kind) ? kGpuMeasure
                                                     : kGlooMeasure;
  group->set_measure_ms(measure.count());
  for (const Slot& slot : group->members()) {
    group->add_names(NameOf(nodes, slot, scale.kind));
  }
}

}  // namespace muster::fabric
