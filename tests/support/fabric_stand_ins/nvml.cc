// A stand-in for libnvidia-ml.so.1. See faults.h.
#include "launcher/fabric/nccl/nvml.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/support/fabric_stand_ins/faults.h"
#include "tests/support/fabric_stand_ins/machine.h"

namespace nvml = muster::fabric::nvml;

namespace {

using muster::stand_in::Fault;
using muster::stand_in::Faults;
using muster::stand_in::Member;

constexpr int kInvalidArgument = 2;
constexpr int kNotFound = 6;
constexpr unsigned int kNvlinks = 18;

__attribute__((constructor)) void Load() {
  muster::stand_in::HideMissingSymbols(reinterpret_cast<void*>(&Load));
}

bool IsH100() {
  const char* model = getenv("STAND_IN_MODEL");
  return model != nullptr && strcmp(model, "H100") == 0;
}

// A handle is the index plus one.
nvml::Device Handle(int gpu) {
  return reinterpret_cast<nvml::Device>(static_cast<intptr_t>(gpu) + 1);
}
int Index(nvml::Device device) {
  return static_cast<int>(reinterpret_cast<intptr_t>(device)) - 1;
}

// An inventory is no GPU's: here each is asked for its own faults.
double FaultOf(nvml::Device device, const char* kind) {
  const Member gpu = {Faults::Get().self().host, std::to_string(Index(device))};
  const char* text = getenv("MUSTER_FAULT");
  std::string why;
  const auto all =
      muster::stand_in::ParseFaults(text != nullptr ? text : "", &why);
  for (const Fault& fault : *all) {
    if (fault.kind == kind && fault.HitsGpu(gpu)) return fault.Number(1);
  }
  return 0;
}

int Give(const std::string& text, char* to, unsigned int size) {
  if (size <= text.size()) return nvml::kInsufficientSize;
  memcpy(to, text.c_str(), text.size() + 1);
  return nvml::kSuccess;
}

}  // namespace

extern "C" {

int nvmlInit_v2() { return nvml::kSuccess; }
int nvmlShutdown() { return nvml::kSuccess; }
const char* nvmlErrorString(int /*result*/) { return "stand-in error"; }

int nvmlSystemGetDriverVersion(char* text, unsigned int size) {
  const Fault* other = Faults::Get().OfGpu("driver");
  return Give(other != nullptr ? other->value : "580.65.06", text, size);
}

int nvmlDeviceGetCount_v2(unsigned int* count) {
  *count = static_cast<unsigned int>(muster::stand_in::CountGpus());
  return nvml::kSuccess;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvml::Device* device) {
  if (index >= static_cast<unsigned int>(muster::stand_in::CountGpus())) {
    return kInvalidArgument;
  }
  *device = Handle(static_cast<int>(index));
  return nvml::kSuccess;
}

int nvmlDeviceGetHandleByUUID(const char* uuid, nvml::Device* device) {
  for (int gpu = 0; gpu < muster::stand_in::CountGpus(); ++gpu) {
    if (muster::stand_in::UuidText(gpu) != uuid) continue;
    *device = Handle(gpu);
    return nvml::kSuccess;
  }
  return kNotFound;
}

int nvmlDeviceGetUUID(nvml::Device device, char* text, unsigned int size) {
  return Give(muster::stand_in::UuidText(Index(device)), text, size);
}

int nvmlDeviceGetName(nvml::Device device, char* text, unsigned int size) {
  static_cast<void>(device);
  return Give(IsH100() ? "NVIDIA H100 80GB HBM3" : "Stand-in GPU", text, size);
}

int nvmlDeviceGetPciInfo_v3(nvml::Device device, nvml::PciInfo* pci) {
  *pci = {};
  pci->bus = muster::stand_in::PciBus(Index(device));
  return Give(muster::stand_in::PciText(Index(device)), pci->bus_id,
              sizeof pci->bus_id);
}

int nvmlDeviceGetMemoryInfo(nvml::Device /*device*/, nvml::Memory* memory) {
  *memory = {muster::stand_in::kMemoryBytes, muster::stand_in::kMemoryBytes, 0};
  return nvml::kSuccess;
}

int nvmlDeviceGetCudaComputeCapability(nvml::Device /*device*/, int* major,
                                       int* minor) {
  if (!IsH100()) return nvml::kNotSupported;
  *major = 9;
  *minor = 0;
  return nvml::kSuccess;
}

int nvmlDeviceGetNvLinkState(nvml::Device device, unsigned int link,
                             unsigned int* active) {
  if (!IsH100() || link >= kNvlinks) return nvml::kNotSupported;
  *active = link < FaultOf(device, "nvlink-off") ? 0 : 1;
  return nvml::kSuccess;
}

int nvmlDeviceGetNvLinkCapability(nvml::Device /*device*/, unsigned int link,
                                  unsigned int capability,
                                  unsigned int* usable) {
  if (!IsH100() || link >= kNvlinks) return nvml::kNotSupported;
  *usable = capability == nvml::kNvlinkCanReachGpus ? 1 : 0;
  return nvml::kSuccess;
}

int nvmlDeviceGetMaxPcieLinkGeneration(nvml::Device /*device*/,
                                       unsigned int* value) {
  if (!IsH100()) return nvml::kNotSupported;
  *value = 5;
  return nvml::kSuccess;
}

int nvmlDeviceGetCurrPcieLinkWidth(nvml::Device /*device*/,
                                   unsigned int* value) {
  if (!IsH100()) return nvml::kNotSupported;
  *value = 16;
  return nvml::kSuccess;
}

int nvmlDeviceGetMigMode(nvml::Device /*device*/, unsigned int* present,
                         unsigned int* pending) {
  *present = 0;
  *pending = 0;
  return nvml::kSuccess;
}

int nvmlDeviceGetComputeRunningProcesses_v3(nvml::Device device,
                                            unsigned int* count,
                                            void* /*processes*/) {
  *count = static_cast<unsigned int>(FaultOf(device, "processes"));
  return *count > 0 ? nvml::kInsufficientSize : nvml::kSuccess;
}

int nvmlDeviceGetFieldValues(nvml::Device device, int count,
                             nvml::FieldValue* values) {
  for (int i = 0; i < count; ++i) {
    values[i].result = values[i].field == nvml::kRecoveryActionField
                           ? nvml::kSuccess
                           : nvml::kNotSupported;
    values[i].value.as_unsigned =
        static_cast<unsigned int>(FaultOf(device, "recovery"));
  }
  return nvml::kSuccess;
}

int nvmlDeviceGetTotalEccErrors(nvml::Device device, int /*type*/,
                                int /*counter*/, unsigned long long* count) {
  *count = static_cast<unsigned long long>(FaultOf(device, "ecc"));
  return nvml::kSuccess;
}

int nvmlDeviceGetRemappedRows(nvml::Device /*device*/,
                              unsigned int* correctable,
                              unsigned int* uncorrectable,
                              unsigned int* pending, unsigned int* failed) {
  *correctable = *uncorrectable = *pending = *failed = 0;
  return nvml::kSuccess;
}

int nvmlDeviceGetGpuFabricInfoV(nvml::Device /*device*/,
                                nvml::FabricInfo* info) {
  if (!IsH100()) return nvml::kNotSupported;
  info->state = nvml::kFabricCompleted;
  info->status = nvml::kSuccess;
  return nvml::kSuccess;
}

}  // extern "C"
