// One group's NCCL communicator, without a call that waits for others.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_COMMUNICATOR_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_COMMUNICATOR_H_

#include <cstddef>

#include "launcher/fabric/nccl/device_runtime.h"
#include "launcher/fabric/nccl/failure.h"
#include "launcher/fabric/nccl/library.h"
#include "launcher/fabric/nccl/watch.h"

namespace muster::fabric {

// Job: connects, reduces and ends, looking at NCCL's asynchronous error and
// the deadline while it waits.
// Life cycle: Connect once; then Reduce and WaitForDevice; then Finish. After
// a failure of any of them: Abort. Threads: one. The library and the device
// must outlive it.
//
// All failures: FABRIC_FAILURE_ERROR with NCCL's code (or the driver's words),
// FABRIC_FAILURE_TIMEOUT and FABRIC_FAILURE_ABORTED as Watch says.
class Communicator {
 public:
  Communicator(const NcclLibrary& nccl, DeviceRuntime& device)
      : nccl_(nccl), device_(device) {}
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  Failed Connect(const ncclUniqueId& id, int members, int rank, Watch& watch);

  // Puts one all-reduce of `count` float32 on the device's stream.
  Failed Reduce(DeviceRuntime::Address from, DeviceRuntime::Address to,
                size_t count, ncclRedOp_t operation, Watch& watch);

  // Until the device's stream is through.
  Failed WaitForDevice(Watch& watch);

  Failed Finish(Watch& watch);

  // Ends whatever it is at. False when NCCL did not return in time, a few
  // seconds: then the process is of no use any more.
  bool Abort();

 private:
  Failed Problem(const char* what, ncclResult_t result) const;
  // Until NCCL is ready for the next call.
  Failed Settle(const char* what, ncclResult_t result, Watch& watch);
  // Nothing, or its asynchronous error; `busy` while it is at something.
  Failed AsyncError(const char* what, bool* busy) const;

  const NcclLibrary& nccl_;
  DeviceRuntime& device_;
  ncclComm_t communicator_ = nullptr;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_COMMUNICATOR_H_
