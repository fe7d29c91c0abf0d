// The test of several GPUs together.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_GROUP_TASK_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_GROUP_TASK_H_

#include "launcher/fabric/nccl/command_inbox.h"
#include "launcher/fabric/nccl/device_runtime.h"
#include "launcher/fabric/nccl/event_outbox.h"
#include "launcher/fabric/nccl/failure.h"
#include "launcher/fabric/nccl/library.h"
#include "launcher/fabric/nccl/transfer.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// What tasks work with. All of it must outlive them.
struct TaskTools {
  const NcclLibrary& nccl;
  DeviceRuntime& device;
  Transfer& transfer;
  CommandInbox& inbox;
  EventOutbox& outbox;
};

// Connects the members, all-reduces the group's bytes, exact data in the first
// and in the last iteration, and times those between. Failures say their stage,
// and kinds are: ERROR, TIMEOUT, WRONG, MISSING, ABORTED. `stuck` is set when
// NCCL did not let go of the communicator: the process is then of no use.
Failed RunGroupTask(const ProbeTask& task, const TaskTools& tools,
                    FabricMeasurement* measured, bool* stuck);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_GROUP_TASK_H_
