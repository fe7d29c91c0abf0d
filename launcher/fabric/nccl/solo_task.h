// The test of one GPU alone.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_SOLO_TASK_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_SOLO_TASK_H_

#include "launcher/fabric/nccl/device_runtime.h"
#include "launcher/fabric/nccl/failure.h"
#include "launcher/fabric/nccl/transfer.h"
#include "launcher/fabric/nccl/watch.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// Writes the group's bytes (a tenth of what is free at most) into the GPU's
// memory, reads them back, copies them within the GPU, and reads the copy: all
// of it compared exactly, the copy timed. Fails at FABRIC_STAGE_MEMORY.
// `measured` says how many bytes it were. `stuck` is set when the GPU did not
// come to an end: the process is then of no use.
Failed RunSoloTask(const FabricGroup& group, DeviceRuntime& device,
                   Transfer& transfer, Watch& watch,
                   FabricMeasurement* measured, bool* stuck);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_SOLO_TASK_H_
