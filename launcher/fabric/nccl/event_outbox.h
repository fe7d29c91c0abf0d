// What a probe tells its agent.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_EVENT_OUTBOX_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_EVENT_OUTBOX_H_

#include <cstdint>
#include <string>

#include "proto/fabric.pb.h"

namespace muster::fabric {

// Job: writes ProbeEvents.
// Life cycle: as long as the process, which ends (kProbeEnded) when nobody
// reads them any more. Threads: one at a time. The descriptor stays the
// caller's.
class EventOutbox {
 public:
  explicit EventOutbox(int fd) : fd_(fd) {}

  void Send(const ProbeEvent& event);

  void Ready(const std::string& backend);
  void Stage(uint32_t group, FabricStage stage);
  void Put(uint32_t group, uint32_t rank, const std::string& key,
           const std::string& value);
  // Answered by a StoreValue.
  void Get(uint32_t group, uint32_t rank, const std::string& key);
  // The probe cannot go on: ends the process (kProbeBroken).
  [[noreturn]] void Broken(const FabricFailure& failure);

 private:
  const int fd_;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_EVENT_OUTBOX_H_
