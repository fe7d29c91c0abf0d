#include "launcher/fabric/nccl/settings.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/str_replace.h"

namespace muster::fabric {

Environment MakeNcclEnvironment(Environment job, const NcclSettings& settings) {
  job["NCCL_DEBUG"] = "INFO";
  job["NCCL_DEBUG_SUBSYS"] = "INIT,NET,GRAPH,ENV";
  job.erase("NCCL_DEBUG_FILE");
  if (!settings.log.empty()) {
    // %h and %p would be expanded.
    job["NCCL_DEBUG_FILE"] = absl::StrReplaceAll(settings.log, {{"%", "%%"}});
  }
  job["NCCL_RAS_ENABLE"] = "0";
  // It beats what a probe asks for, and a file may set it.
  job["NCCL_COMM_BLOCKING"] = "0";
  job.erase("NCCL_COMM_ID");
  job.emplace("NCCL_SOCKET_RETRY_CNT", "10");  // 5.5 s
  job.emplace("NCCL_IB_TIMEOUT", "18");        // 7.5 s with its retries
  job["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID";
  job["CUDA_MODULE_LOADING"] = "LAZY";
  if (!settings.host_id.empty()) {
    job["NCCL_HOSTID"] = settings.host_id;
    job["NCCL_MNNVL_ENABLE"] = "0";
  }
  return job;
}

const std::string* AlgorithmFor(bool ring, const Environment& job) {
  static const auto* const only_ring = new std::string("Ring");
  if (ring) return only_ring;
  const auto own = job.find("NCCL_ALGO");
  return own == job.end() ? nullptr : &own->second;
}

void ApplyVariable(const std::string& name, const std::string* value) {
  if (value == nullptr) {
    unsetenv(name.c_str());
  } else {
    setenv(name.c_str(), value->c_str(), 1);
  }
}

void ApplyEnvironment(const Environment& present, const Environment& wanted) {
  for (const auto& [name, value] : present) {
    if (wanted.count(name) == 0) ApplyVariable(name, nullptr);
  }
  for (const auto& [name, value] : wanted) {
    const auto old = present.find(name);
    if (old == present.end() || old->second != value) {
      ApplyVariable(name, &value);
    }
  }
}

}  // namespace muster::fabric
