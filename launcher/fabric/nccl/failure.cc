#include "launcher/fabric/nccl/failure.h"

#include <utility>

namespace muster::fabric {

FabricFailure MakeFailure(FabricFailureKind kind, std::string message) {
  FabricFailure failure;
  failure.set_kind(kind);
  failure.set_message(std::move(message));
  return failure;
}

Failed FailedBy(const absl::Status& status) {
  if (status.ok()) return std::nullopt;
  return MakeFailure(FABRIC_FAILURE_ERROR, std::string(status.message()));
}

}  // namespace muster::fabric
