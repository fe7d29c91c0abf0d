// `muster fabric-probe`: the process that tests one GPU, alone and with others.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_PROBE_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_PROBE_H_

#include <string>

#include "launcher/fabric/nccl/settings.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

struct NcclProbeOptions {
  // A path, or a name that the loader looks for.
  std::string nccl_library = "libnccl.so.2";
  NcclSettings settings;
  // Of this process. The first of the GPUs that CUDA_VISIBLE_DEVICES names is
  // tested.
  Environment environment;
};

// Takes ProbeCommands from standard input and writes ProbeEvents to standard
// output (proto/fabric.proto); what libraries print goes to standard error.
// Loads driver and NCCL, says that it is ready, and does one task after the
// other; also after one that failed, where the GPU still can.
//
// A group's members find each other by the store: each puts "here/RANK", and
// rank 0 puts "id".
//
// Never returns before the end: 1 (kProbeBroken) when it cannot go on, having
// said so as `broken`: no driver, no NCCL, no GPU, one that hangs or is lost.
// It leaves the process by itself with 0 at the end of its input and with 2
// when what came there is no command; whatever it is at then is cut.
//
// A muster that was compiled without NCCL's headers says `broken` at once.
int RunNcclProbe(const NcclProbeOptions& options);

// Why this muster has no NCCL probe; "" where it has one.
std::string NcclProbeMissing();

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_PROBE_H_
