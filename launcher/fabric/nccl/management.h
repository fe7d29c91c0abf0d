// What NVIDIA's management library knows of this node's GPUs.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_MANAGEMENT_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_MANAGEMENT_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// Puts the visible GPUs' facts, the driver's version and notes on oddities into
// `inventory`. `visible` is CUDA_VISIBLE_DEVICES, by PCI address; nullopt: all
// GPUs. What a GPU or an old NVML cannot tell is left out. Errors:
//   NotFound       there is no NVML, or it can't be loaded (why)
//   Unimplemented  it lacks a function that nothing can replace
//   Internal       it says no (its words)
absl::Status AddGpuFacts(const std::optional<std::string>& visible,
                         FabricInventory* inventory,
                         const std::string& library = "libnvidia-ml.so.1");

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_MANAGEMENT_H_
