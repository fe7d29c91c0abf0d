#include "launcher/fabric/nccl/management.h"

#include <cstdlib>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "env/hardware/gpus.h"
#include "launcher/fabric/nccl/nvml.h"
#include "launcher/fabric/nccl/shared_library.h"

namespace muster::fabric {
namespace {

// Null: this NVML has no such function.
struct Functions {
  nvml::Init* init = nullptr;
  nvml::Shutdown* shutdown = nullptr;
  nvml::GetCount* count = nullptr;
  nvml::GetHandleByIndex* by_index = nullptr;
  nvml::GetText* uuid = nullptr;
  nvml::ErrorString* error_string = nullptr;
  nvml::DriverVersion* driver_version = nullptr;
  nvml::GetHandleByUuid* by_uuid = nullptr;
  nvml::GetText* name = nullptr;
  nvml::GetPciInfo* pci = nullptr;
  nvml::GetMemory* memory = nullptr;
  nvml::GetCapability* capability = nullptr;
  nvml::GetNvlinkState* nvlink_state = nullptr;
  nvml::GetNvlinkCapability* nvlink_capability = nullptr;
  nvml::GetUnsigned* pcie_generation = nullptr;
  nvml::GetUnsigned* pcie_width = nullptr;
  nvml::GetMigMode* mig_mode = nullptr;
  nvml::GetProcesses* processes = nullptr;
  nvml::GetFieldValues* fields = nullptr;
  nvml::GetEccErrors* ecc_errors = nullptr;
  nvml::GetRemappedRows* remapped_rows = nullptr;
  nvml::GetFabricInfo* fabric_info = nullptr;
};

absl::Status LoadFunctions(const SharedLibrary& library, Functions* into) {
  absl::Status status;
  status.Update(library.Load("nvmlInit_v2", &into->init));
  status.Update(library.Load("nvmlShutdown", &into->shutdown));
  status.Update(library.Load("nvmlDeviceGetCount_v2", &into->count));
  status.Update(library.Load("nvmlDeviceGetHandleByIndex_v2", &into->by_index));
  status.Update(library.Load("nvmlDeviceGetUUID", &into->uuid));
  const auto find = [&library](const char* name, auto** function) {
    library.Load(name, function).IgnoreError();
  };
  find("nvmlErrorString", &into->error_string);
  find("nvmlSystemGetDriverVersion", &into->driver_version);
  find("nvmlDeviceGetHandleByUUID", &into->by_uuid);
  find("nvmlDeviceGetName", &into->name);
  find("nvmlDeviceGetPciInfo_v3", &into->pci);
  find("nvmlDeviceGetMemoryInfo", &into->memory);
  find("nvmlDeviceGetCudaComputeCapability", &into->capability);
  find("nvmlDeviceGetNvLinkState", &into->nvlink_state);
  find("nvmlDeviceGetNvLinkCapability", &into->nvlink_capability);
  find("nvmlDeviceGetMaxPcieLinkGeneration", &into->pcie_generation);
  find("nvmlDeviceGetCurrPcieLinkWidth", &into->pcie_width);
  find("nvmlDeviceGetMigMode", &into->mig_mode);
  find("nvmlDeviceGetComputeRunningProcesses_v3", &into->processes);
  find("nvmlDeviceGetFieldValues", &into->fields);
  find("nvmlDeviceGetTotalEccErrors", &into->ecc_errors);
  find("nvmlDeviceGetRemappedRows", &into->remapped_rows);
  find("nvmlDeviceGetGpuFabricInfoV", &into->fabric_info);
  return status;
}

std::string FabricStateText(const nvml::FabricInfo& info) {
  switch (info.state) {
    case nvml::kFabricNotStarted:
      return "not started";
    case nvml::kFabricInProgress:
      return "in progress";
    case nvml::kFabricCompleted:
      return info.status == nvml::kSuccess
                 ? "completed"
                 : absl::StrCat("failed: NVML error ", info.status);
    default:
      return "";
  }
}

std::string RecoveryText(unsigned int action) {
  switch (action) {
    case nvml::kGpuReset:
      return "the driver asks for a reset of this GPU";
    case nvml::kNodeReboot:
      return "the driver asks for a reboot of this node";
    case nvml::kDrainPeers:
      return "the driver asks to drain the GPU's peers";
    case nvml::kDrainAndReset:
      return "the driver asks to drain and reset this GPU";
    default:
      return "";
  }
}

// Job: asks NVML about one GPU after the other.
// Life cycle: made with a loaded library, which it initializes; shut down with
// this. Threads: one.
class Management {
 public:
  explicit Management(const Functions& call) : call_(call) {}

  absl::Status AddAll(const std::optional<std::string>& visible,
                      FabricInventory* inventory) {
    unsigned int count = 0;
    if (const int result = call_.count(&count); result != nvml::kSuccess) {
      return Problem("nvmlDeviceGetCount_v2", result);
    }
    AddDriver(inventory);
    for (const std::string& entry :
         env::VisibleDevices(static_cast<int>(count), visible)) {
      Add(entry, count, inventory);
    }
    return absl::OkStatus();
  }

  absl::Status Problem(const char* what, int result) const {
    const char* text =
        call_.error_string != nullptr ? call_.error_string(result) : nullptr;
    return absl::InternalError(absl::StrCat(
        what, ": ", text != nullptr ? text : "error", " (", result, ")"));
  }

 private:
  void AddDriver(FabricInventory* inventory) {
    char text[96] = {};
    if (call_.driver_version != nullptr &&
        call_.driver_version(text, sizeof text) == nvml::kSuccess) {
      inventory->set_driver(text);
      driver_ = atoi(text);
    }
  }

  // A GPU as CUDA_VISIBLE_DEVICES names it.
  void Add(const std::string& entry, unsigned int count,
           FabricInventory* inventory) {
    GpuFacts* facts = inventory->add_gpus();
    facts->set_gpu(static_cast<uint32_t>(inventory->gpus_size() - 1));
    nvml::Device device = nullptr;
    const absl::Status found = Find(entry, count, &device);
    if (!found.ok()) {
      facts->set_uuid(entry);
      facts->set_problem(std::string(found.message()));
      return;
    }
    facts->set_uuid(absl::StartsWith(entry, "MIG-") ? entry
                                                    : Text(call_.uuid, device));
    AddIdentity(device, facts);
    AddLinks(device, facts);
    AddState(device, facts, inventory);
  }

  absl::Status Find(const std::string& entry, unsigned int count,
                    nvml::Device* device) {
    int result = nvml::kSuccess;
    if (!absl::ascii_isdigit(static_cast<unsigned char>(entry[0]))) {
      return FindByUuid(entry, count, device);
    }
    const auto index =
        static_cast<unsigned int>(strtoul(entry.c_str(), nullptr, 10));
    result = call_.by_index(index, device);
    return result == nvml::kSuccess
               ? absl::OkStatus()
               : Problem("nvmlDeviceGetHandleByIndex_v2", result);
  }

  // CUDA takes the beginning of a UUID for it, NVML does not.
  absl::Status FindByUuid(const std::string& entry, unsigned int count,
                          nvml::Device* device) {
    if (call_.by_uuid != nullptr &&
        call_.by_uuid(entry.c_str(), device) == nvml::kSuccess) {
      return absl::OkStatus();
    }
    for (unsigned int i = 0; i < count; ++i) {
      if (call_.by_index(i, device) == nvml::kSuccess &&
          absl::StartsWith(Text(call_.uuid, *device), entry)) {
        return absl::OkStatus();
      }
    }
    return absl::NotFoundError(absl::StrCat("CUDA_VISIBLE_DEVICES names ",
                                            entry,
                                            ", which is no GPU of this node"));
  }

  std::string Text(nvml::GetText* function, nvml::Device device) const {
    char text[128] = {};
    if (function == nullptr ||
        function(device, text, sizeof text - 1) != nvml::kSuccess) {
      return "";
    }
    return text;
  }

  void AddIdentity(nvml::Device device, GpuFacts* facts) {
    facts->set_name(Text(call_.name, device));
    nvml::PciInfo pci = {};
    if (call_.pci != nullptr && call_.pci(device, &pci) == nvml::kSuccess) {
      facts->set_pci(absl::StrCat(absl::Hex(pci.domain, absl::kZeroPad4), ":",
                                  absl::Hex(pci.bus, absl::kZeroPad2), ":",
                                  absl::Hex(pci.device, absl::kZeroPad2),
                                  ".0"));
    }
    nvml::Memory memory = {};
    if (call_.memory != nullptr &&
        call_.memory(device, &memory) == nvml::kSuccess) {
      facts->set_memory_bytes(memory.total);
    }
    int major = 0;
    int minor = 0;
    if (call_.capability != nullptr &&
        call_.capability(device, &major, &minor) == nvml::kSuccess) {
      facts->set_capability(static_cast<uint32_t>(major * 10 + minor));
    }
    unsigned int current = 0;
    unsigned int pending = 0;
    if (call_.mig_mode != nullptr &&
        call_.mig_mode(device, &current, &pending) == nvml::kSuccess) {
      facts->set_mig(current != 0);
    }
    if (absl::StartsWith(facts->uuid(), "MIG-")) facts->set_mig(true);
  }

  void AddLinks(nvml::Device device, GpuFacts* facts) {
    for (unsigned int link = 0; link < nvml::kMostNvlinks; ++link) {
      unsigned int active = 0;
      if (call_.nvlink_state == nullptr ||
          call_.nvlink_state(device, link, &active) != nvml::kSuccess) {
        continue;
      }
      unsigned int usable = 0;
      if (active != 0) {
        facts->set_nvlinks(facts->nvlinks() + 1);
      } else if (call_.nvlink_capability != nullptr &&
                 call_.nvlink_capability(device, link,
                                         nvml::kNvlinkCanReachGpus,
                                         &usable) == nvml::kSuccess &&
                 usable != 0) {
        facts->set_nvlinks_off(facts->nvlinks_off() + 1);
      }
    }
    facts->set_pcie_generation(Unsigned(call_.pcie_generation, device));
    facts->set_pcie_width(Unsigned(call_.pcie_width, device));
    nvml::FabricInfo info = {};
    info.version = nvml::kFabricInfoVersion;
    if (call_.fabric_info != nullptr &&
        call_.fabric_info(device, &info) == nvml::kSuccess) {
      facts->set_fabric_state(FabricStateText(info));
    }
  }

  static uint32_t Unsigned(nvml::GetUnsigned* function, nvml::Device device) {
    unsigned int value = 0;
    return function != nullptr && function(device, &value) == nvml::kSuccess
               ? value
               : 0;
  }

  void AddState(nvml::Device device, GpuFacts* facts,
                FabricInventory* inventory) {
    unsigned int processes = 0;
    if (call_.processes != nullptr) {
      const int result = call_.processes(device, &processes, nullptr);
      // Asked without a place for them, it gives their number.
      if (result == nvml::kInsufficientSize) facts->set_processes(processes);
      if (result == nvml::kGpuIsLost || result == nvml::kResetRequired) {
        facts->set_problem(std::string(
            Problem("nvmlDeviceGetComputeRunningProcesses_v3", result)
                .message()));
      }
    }
    AddRecovery(device, facts);
    AddMemoryErrors(device, facts, inventory);
  }

  void AddRecovery(nvml::Device device, GpuFacts* facts) {
    // The field's number meant something else before.
    if (driver_ < nvml::kRecoveryActionSince) return;
    nvml::FieldValue field = {};
    field.field = nvml::kRecoveryActionField;
    if (call_.fields != nullptr &&
        call_.fields(device, 1, &field) == nvml::kSuccess &&
        field.result == nvml::kSuccess && facts->problem().empty()) {
      facts->set_problem(RecoveryText(field.value.as_unsigned));
    }
  }

  void AddMemoryErrors(nvml::Device device, GpuFacts* facts,
                       FabricInventory* inventory) {
    unsigned int correctable = 0;
    unsigned int uncorrectable = 0;
    unsigned int pending = 0;
    unsigned int failed = 0;
    if (call_.remapped_rows != nullptr &&
        call_.remapped_rows(device, &correctable, &uncorrectable, &pending,
                            &failed) == nvml::kSuccess) {
      if (failed != 0 && facts->problem().empty()) {
        facts->set_problem("rows of its memory are bad and can't be replaced");
      }
      if (pending != 0) {
        inventory->add_notes(absl::StrCat(
            "GPU ", facts->gpu(),
            ": bad rows of its memory are replaced at the next reset"));
      }
    }
    unsigned long long errors = 0;
    if (call_.ecc_errors != nullptr &&
        call_.ecc_errors(device, nvml::kUncorrectedErrors,
                         nvml::kSinceDriverLoad, &errors) == nvml::kSuccess &&
        errors > 0) {
      inventory->add_notes(absl::StrCat(
          "GPU ", facts->gpu(), ": ", errors,
          " uncorrectable memory errors since the driver was loaded"));
    }
  }

  const Functions& call_;
  int driver_ = 0;  // major version
};

}  // namespace

absl::Status AddGpuFacts(const std::optional<std::string>& visible,
                         FabricInventory* inventory,
                         const std::string& library) {
  absl::StatusOr<SharedLibrary> loaded = SharedLibrary::Open(library);
  if (!loaded.ok()) return loaded.status();
  Functions call;
  if (absl::Status status = LoadFunctions(*loaded, &call); !status.ok()) {
    return status;
  }
  Management management(call);
  if (const int result = call.init(); result != nvml::kSuccess) {
    return management.Problem("nvmlInit_v2", result);
  }
  absl::Cleanup stop = [&call] { call.shutdown(); };
  return management.AddAll(visible, inventory);
}

}  // namespace muster::fabric
