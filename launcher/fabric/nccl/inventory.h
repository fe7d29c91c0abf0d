// `muster fabric-probe --inventory`: what this node has for a test with NCCL.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_INVENTORY_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_INVENTORY_H_

#include <string>

#include "launcher/fabric/nccl/settings.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

struct NcclInventoryOptions {
  std::string nccl_library = "libnccl.so.2";  // a path, or a name
  Environment environment;                    // of this process
};

// GPUs, driver, NCCL's version, path and problem, notes; the rest is left
// open. Loads NVML and NCCL, asks no GPU to do anything. A driver that hangs
// hangs this: it is for a process of its own.
FabricInventory TakeNcclInventory(const NcclInventoryOptions& options);

// The same as a ProbeEvent, the only one, on standard output. 0; 1 when it
// can't be written.
int PrintNcclInventory(const NcclInventoryOptions& options);

// Into `inventory`: the NCCL that a probe would load, or why it would not.
// Defined with the probe, or without it.
void AddNcclLibrary(const std::string& library, FabricInventory* inventory);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_INVENTORY_H_
