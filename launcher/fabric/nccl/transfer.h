// A pattern's way into a GPU's memory, and out of it again.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_TRANSFER_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_TRANSFER_H_

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "launcher/fabric/nccl/device_runtime.h"
#include "launcher/fabric/nccl/failure.h"
#include "launcher/fabric/nccl/pattern.h"
#include "launcher/fabric/nccl/watch.h"

namespace muster::fabric {

// Job: writes and checks float32 in a GPU's memory, a period of the pattern at
// a time, through one buffer of the host.
// Life cycle: Open once; then as often as wanted. Threads: one. The device must
// outlive it.
class Transfer {
 public:
  explicit Transfer(DeviceRuntime& device) : device_(device) {}

  // Errors are those of DeviceRuntime::AllocateHost.
  absl::Status Open();

  // Fills `elements` with `values` again and again, and waits.
  Failed Write(DeviceRuntime::Address to, size_t elements,
               const std::vector<float>& values, Watch& watch);
  // Has `check` look at all of them.
  Failed Read(DeviceRuntime::Address from, size_t elements, PatternCheck* check,
              Watch& watch);
  // A single one.
  Failed ReadOne(DeviceRuntime::Address from, float* value, Watch& watch);
  // Until the device's stream is through; `what` is waited for.
  Failed WaitForDevice(const char* what, Watch& watch);

 private:
  DeviceRuntime& device_;
  float* staging_ = nullptr;  // one period; the process' end frees it
};

// Whether the device's stream is through within a few seconds, with success or
// not. Where it is not, nothing that it uses can be freed, nor the process be
// of use any more.
bool Settles(DeviceRuntime& device);

// Memory of a device that is freed with this, which must not outlive it.
class DeviceMemory {
 public:
  explicit DeviceMemory(DeviceRuntime& device) : device_(device) {}
  ~DeviceMemory() { Free(); }
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  absl::Status Allocate(size_t bytes);
  DeviceRuntime::Address get() const { return address_; }

 private:
  void Free();

  DeviceRuntime& device_;
  DeviceRuntime::Address address_ = nullptr;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_TRANSFER_H_
