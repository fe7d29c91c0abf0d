// How steps of a test fail.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_FAILURE_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_FAILURE_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// Nothing: the step went well. Its stage is filled in by the task.
using Failed = std::optional<FabricFailure>;

FabricFailure MakeFailure(FabricFailureKind kind, std::string message);

// FABRIC_FAILURE_ERROR with the status' words; nothing for OK.
Failed FailedBy(const absl::Status& status);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_FAILURE_H_
