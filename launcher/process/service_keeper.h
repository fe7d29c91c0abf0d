// How somebody who does not own the keeper starts processes with it.
#ifndef MUSTER_LAUNCHER_PROCESS_SERVICE_KEEPER_H_
#define MUSTER_LAUNCHER_PROCESS_SERVICE_KEEPER_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "launcher/process/keeper_client.h"

namespace muster::process {

// Starts and signals processes beside the workers, by way of the keeper's
// owner. Ids as in SpawnRequest.
struct ServiceKeeper {
  std::function<void(SpawnRequest, ProcessCallbacks)> spawn;
  std::function<void(uint32_t id, int signo)> signal;
};

// The same callbacks, called only as long as `*alive`. Afterwards the pipes of
// a process that still came are closed.
ProcessCallbacks WhileAlive(std::shared_ptr<const bool> alive,
                            ProcessCallbacks callbacks);

// Ids of processes beside the workers, which have their global ranks: those of
// Open MPI, then those of the self-test's probes.
inline constexpr uint32_t kFirstServiceId = 0x8000'0000;
inline constexpr uint32_t kFirstProbeId = 0xC000'0000;

}  // namespace muster::process

#endif  // MUSTER_LAUNCHER_PROCESS_SERVICE_KEEPER_H_
