#include "launcher/fabric/nccl/transfer.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace muster::fabric {
namespace {

DeviceRuntime::Address Advance(DeviceRuntime::Address address,
                               size_t elements) {
  return static_cast<float*>(address) + elements;
}

// What is put on a stream at once takes less, on any GPU that works.
constexpr absl::Duration kSettling = absl::Seconds(3);
constexpr absl::Duration kLook = absl::Milliseconds(1);

}  // namespace

bool Settles(DeviceRuntime& device) {
  for (absl::Duration waited; waited < kSettling; waited += kLook) {
    const absl::StatusOr<bool> idle = device.IsIdle();
    if (!idle.ok() || *idle) return true;
    absl::SleepFor(kLook);
  }
  return false;
}

absl::Status Transfer::Open() {
  absl::StatusOr<void*> memory =
      device_.AllocateHost(kPatternPeriod * sizeof(float));
  if (!memory.ok()) return memory.status();
  staging_ = static_cast<float*>(*memory);
  return absl::OkStatus();
}

Failed Transfer::WaitForDevice(const char* what, Watch& watch) {
  watch.BeginWait();
  for (;;) {
    const absl::StatusOr<bool> idle = device_.IsIdle();
    if (!idle.ok()) return FailedBy(idle.status());
    if (*idle) return std::nullopt;
    if (Failed failed = watch.Check(what)) return failed;
    watch.Pause();
  }
}

Failed Transfer::Write(DeviceRuntime::Address to, size_t elements,
                       const std::vector<float>& values, Watch& watch) {
  std::copy(values.begin(), values.end(), staging_);
  for (size_t done = 0; done < elements; done += values.size()) {
    const size_t part = std::min(values.size(), elements - done);
    absl::Status status =
        device_.CopyIn(Advance(to, done), staging_, part * sizeof(float));
    if (!status.ok()) return FailedBy(status);
  }
  return WaitForDevice("writing to the GPU's memory", watch);
}

Failed Transfer::Read(DeviceRuntime::Address from, size_t elements,
                      PatternCheck* check, Watch& watch) {
  for (size_t done = 0; done < elements; done += kPatternPeriod) {
    const size_t part = std::min(kPatternPeriod, elements - done);
    absl::Status status =
        device_.CopyOut(staging_, Advance(from, done), part * sizeof(float));
    if (!status.ok()) return FailedBy(status);
    if (Failed failed = WaitForDevice("reading the GPU's memory", watch)) {
      return failed;
    }
    check->Add(done, staging_, part);
  }
  return std::nullopt;
}

Failed Transfer::ReadOne(DeviceRuntime::Address from, float* value,
                         Watch& watch) {
  absl::Status status = device_.CopyOut(staging_, from, sizeof *value);
  if (!status.ok()) return FailedBy(status);
  if (Failed failed = WaitForDevice("reading the GPU's memory", watch)) {
    return failed;
  }
  *value = *staging_;
  return std::nullopt;
}

absl::Status DeviceMemory::Allocate(size_t bytes) {
  Free();
  absl::StatusOr<DeviceRuntime::Address> address = device_.Allocate(bytes);
  if (!address.ok()) return address.status();
  address_ = *address;
  return absl::OkStatus();
}

void DeviceMemory::Free() {
  if (address_ != nullptr) device_.Free(address_);
  address_ = nullptr;
}

}  // namespace muster::fabric
