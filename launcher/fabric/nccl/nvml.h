// The part of NVML's interface that is used, in declarations of our own: the
// CUDA Toolkit may lack nvml.h. Sizes and values are those of the library's
// binary interface, which later versions keep.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_NVML_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_NVML_H_

#include <cstddef>
#include <cstdint>

namespace muster::fabric::nvml {

using Device = struct OpaqueDevice*;

// What every function returns.
enum Return : int {
  kSuccess = 0,
  kNotSupported = 3,
  kInsufficientSize = 7,
  kGpuIsLost = 15,
  kResetRequired = 16,
};

struct PciInfo {
  char bus_id_legacy[16];
  unsigned int domain;
  unsigned int bus;
  unsigned int device;
  unsigned int pci_device_id;
  unsigned int pci_subsystem_id;
  char bus_id[32];  // "00000000:1B:00.0"
};
static_assert(sizeof(PciInfo) == 68);

struct Memory {
  unsigned long long total;  // bytes
  unsigned long long free;
  unsigned long long used;
};

union Value {
  double as_double;
  unsigned int as_unsigned;
  unsigned long long as_long;
};

struct FieldValue {
  unsigned int field;
  unsigned int scope;
  long long timestamp;
  long long latency;
  int type;
  int result;  // a Return
  Value value;
};
static_assert(sizeof(FieldValue) == 40);

// Fields and their values, of drivers since 570.
inline constexpr unsigned int kRecoveryActionField = 230;
inline constexpr int kRecoveryActionSince = 570;
enum RecoveryAction : unsigned int {
  kNoRecovery = 0,
  kGpuReset = 1,
  kNodeReboot = 2,
  kDrainPeers = 3,
  kDrainAndReset = 4,
};

struct FabricInfo {
  unsigned int version;
  unsigned char cluster[16];
  int status;  // a Return
  unsigned int clique;
  unsigned char state;
  unsigned int health;
};
static_assert(sizeof(FabricInfo) == 36);
// As NVML tells versions of structs: their size and a number.
inline constexpr unsigned int kFabricInfoVersion =
    sizeof(FabricInfo) | (2u << 24);
enum FabricState : unsigned char {
  kFabricNotSupported = 0,
  kFabricNotStarted = 1,
  kFabricInProgress = 2,
  kFabricCompleted = 3,
};

inline constexpr unsigned int kMostNvlinks = 18;
inline constexpr unsigned int kNvlinkCanReachGpus = 0;  // a capability

inline constexpr int kUncorrectedErrors = 1;
inline constexpr int kSinceDriverLoad = 0;

extern "C" {
using Init = int();
using Shutdown = int();
using ErrorString = const char*(int);
using DriverVersion = int(char*, unsigned int);
using GetCount = int(unsigned int*);
using GetHandleByIndex = int(unsigned int, Device*);
using GetHandleByUuid = int(const char*, Device*);
using GetText = int(Device, char*, unsigned int);  // name and UUID
using GetPciInfo = int(Device, PciInfo*);
using GetMemory = int(Device, Memory*);
using GetCapability = int(Device, int*, int*);
using GetNvlinkState = int(Device, unsigned int, unsigned int*);
using GetNvlinkCapability = int(Device, unsigned int, unsigned int,
                                unsigned int*);
using GetUnsigned = int(Device, unsigned int*);
using GetMigMode = int(Device, unsigned int*, unsigned int*);
using GetProcesses = int(Device, unsigned int*, void*);
using GetFieldValues = int(Device, int, FieldValue*);
using GetEccErrors = int(Device, int, int, unsigned long long*);
using GetRemappedRows = int(Device, unsigned int*, unsigned int*, unsigned int*,
                            unsigned int*);
using GetFabricInfo = int(Device, FabricInfo*);
}

}  // namespace muster::fabric::nvml

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_NVML_H_
