// NVIDIA's driver, loaded at run time.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_DRIVER_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_DRIVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "launcher/fabric/nccl/device_runtime.h"

namespace muster::fabric {

// The first of the visible GPUs, by libcuda.so.1 alone. Its primary context is
// current on the calling thread, and is the one that NCCL then uses. Errors:
//   NotFound       there is no driver, or it can't be loaded (why)
//   Unimplemented  it lacks a function, which is named
//   Internal       the driver says no: no such GPU, no memory, ... (its words)
absl::StatusOr<std::unique_ptr<DeviceRuntime>> OpenCudaDriver(
    const std::string& library = "libcuda.so.1");

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_DRIVER_H_
