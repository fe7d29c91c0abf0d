// The GPUs of this node, found without linking anything of CUDA, and which of
// them CUDA_VISIBLE_DEVICES leaves to a program.
#ifndef MUSTER_ENV_HARDWARE_GPUS_H_
#define MUSTER_ENV_HARDWARE_GPUS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace muster::env {

// Who answered the question how many GPUs there are.
enum class GpuSource {
  kNvml,  // the driver's management library
  kProc,  // entries of /proc/driver/nvidia/gpus
  kDev,   // device files /dev/nvidia0, /dev/nvidia1, ...
  kNone,  // nobody: no GPU and no driver
};

// "NVML", "/proc/driver/nvidia/gpus", "/dev/nvidia*" or "none".
absl::string_view GpuSourceName(GpuSource source);

// Where to look. Tests point it at a tree and a library of their own.
struct GpuPaths {
  std::string nvml_library = "libnvidia-ml.so.1";  // as dlopen takes it
  std::string root;  // put before /proc/... and /dev
};

struct GpuCount {
  int count = 0;
  GpuSource source = GpuSource::kNone;
  // Why NVML did not answer, for people; empty when it did. It is normal on a
  // node without GPUs, and the first thing to look at on a node with GPUs.
  std::string nvml_problem;
};

// Counts the physical GPUs. The sources are asked in the order of GpuSource:
// what NVML says is final, even 0; a directory that shows no GPU passes the
// question on. Loads NVML and unloads it again; one thread at a time.
GpuCount CountGpus(const GpuPaths& paths = {});

// The devices that a CUDA program sees on a node with `count` GPUs when
// CUDA_VISIBLE_DEVICES has this value (nullopt: unset). Each result is an
// entry as it was written, without surrounding blanks, and can be given alone
// to one worker as its CUDA_VISIBLE_DEVICES.
//
// CUDA's rules: unset means all, empty means none. The list ends before the
// first entry that is no device: a negative number, an index of `count` or
// more, an empty entry, other text. The first entry says what the list is made
// of: indexes, "GPU-..." or "MIG-..."; an entry of another kind ends it. An
// entry that occurs twice leaves no device at all. Text after an index is
// ignored. A UUID cannot be checked here and is taken to exist where there is
// any GPU.
std::vector<std::string> VisibleDevices(
    int count, const std::optional<std::string>& cuda_visible_devices);

}  // namespace muster::env

#endif  // MUSTER_ENV_HARDWARE_GPUS_H_
