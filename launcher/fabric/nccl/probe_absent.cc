// A muster without the NCCL probe.
#include <unistd.h>

#include "launcher/fabric/nccl/command_inbox.h"
#include "launcher/fabric/nccl/event_outbox.h"
#include "launcher/fabric/nccl/failure.h"
#include "launcher/fabric/nccl/inventory.h"
#include "launcher/fabric/nccl/probe.h"

namespace muster::fabric {

int RunNcclProbe(const NcclProbeOptions& /*options*/) {
  FabricFailure failure = MakeFailure(FABRIC_FAILURE_ERROR, NcclProbeMissing());
  failure.set_stage(FABRIC_STAGE_START);
  EventOutbox(STDOUT_FILENO).Broken(failure);
}

std::string NcclProbeMissing() {
  return "this muster was compiled without the NCCL probe: nccl.h or cuda.h "
         "was not found; install the CUDA Toolkit and NCCL, and compile again";
}

void AddNcclLibrary(const std::string& /*library*/,
                    FabricInventory* inventory) {
  inventory->set_nccl_problem(NcclProbeMissing());
}

}  // namespace muster::fabric
