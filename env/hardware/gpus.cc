#include "env/hardware/gpus.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace muster::env {
namespace {

// The part of NVML's interface that is used: every function returns 0 for
// success.
using NvmlInit = int (*)();
using NvmlShutdown = int (*)();
using NvmlDeviceGetCount = int (*)(unsigned int*);
using NvmlErrorString = const char* (*)(int);

std::string NvmlProblem(void* library, const std::string& name,
                        absl::string_view call, int result) {
  const auto explain =
      reinterpret_cast<NvmlErrorString>(dlsym(library, "nvmlErrorString"));
  return absl::StrCat(name, ": ", call, " returned ", result,
                      explain ? absl::StrCat(" (", explain(result), ")") : "");
}

// The number of GPUs, or nullopt with `problem` set.
std::optional<int> AskNvml(const std::string& name, std::string& problem) {
  void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    problem = dlerror();
    return std::nullopt;
  }
  absl::Cleanup unload = [library] { dlclose(library); };
  const auto init = reinterpret_cast<NvmlInit>(dlsym(library, "nvmlInit_v2"));
  const auto get_count = reinterpret_cast<NvmlDeviceGetCount>(
      dlsym(library, "nvmlDeviceGetCount_v2"));
  const auto shutdown =
      reinterpret_cast<NvmlShutdown>(dlsym(library, "nvmlShutdown"));
  if (!init || !get_count || !shutdown) {
    problem = absl::StrCat(name,
                           " lacks nvmlInit_v2, nvmlDeviceGetCount_v2 or "
                           "nvmlShutdown; is it NVIDIA's?");
    return std::nullopt;
  }
  if (int result = init(); result != 0) {
    problem = NvmlProblem(library, name, "nvmlInit_v2", result);
    return std::nullopt;
  }
  absl::Cleanup stop = [shutdown] { shutdown(); };
  unsigned int count = 0;
  if (int result = get_count(&count); result != 0) {
    problem = NvmlProblem(library, name, "nvmlDeviceGetCount_v2", result);
    return std::nullopt;
  }
  return static_cast<int>(count);
}

bool IsNumber(absl::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

// Names in a directory; none when it cannot be read.
std::vector<std::string> Names(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator at(directory, error), end;
  for (; !error && at != end; at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  return names;
}

int CountDeviceFiles(const std::string& directory) {
  int count = 0;
  for (const std::string& name : Names(directory)) {
    absl::string_view rest = name;
    if (absl::ConsumePrefix(&rest, "nvidia") && IsNumber(rest)) ++count;
  }
  return count;
}

// What an entry of CUDA_VISIBLE_DEVICES is; a list holds one kind only.
enum class EntryKind { kIndex, kGpuUuid, kMigUuid };

EntryKind KindOf(absl::string_view entry) {
  if (absl::StartsWith(entry, "GPU-")) return EntryKind::kGpuUuid;
  if (absl::StartsWith(entry, "MIG-")) return EntryKind::kMigUuid;
  return EntryKind::kIndex;
}

// The number that `entry` begins with, or -1.
long long LeadingIndex(const std::string& entry) {
  char* end = nullptr;
  const long long value = std::strtoll(entry.c_str(), &end, 10);
  return end == entry.c_str() ? -1 : value;
}

}  // namespace

absl::string_view GpuSourceName(GpuSource source) {
  switch (source) {
    case GpuSource::kNvml:
      return "NVML";
    case GpuSource::kProc:
      return "/proc/driver/nvidia/gpus";
    case GpuSource::kDev:
      return "/dev/nvidia*";
    case GpuSource::kNone:
      break;
  }
  return "none";
}

GpuCount CountGpus(const GpuPaths& paths) {
  GpuCount result;
  if (std::optional<int> count =
          AskNvml(paths.nvml_library, result.nvml_problem)) {
    result.count = *count;
    result.source = GpuSource::kNvml;
    return result;
  }
  result.count =
      static_cast<int>(Names(paths.root + "/proc/driver/nvidia/gpus").size());
  result.source = GpuSource::kProc;
  if (result.count > 0) return result;
  result.count = CountDeviceFiles(paths.root + "/dev");
  result.source = result.count > 0 ? GpuSource::kDev : GpuSource::kNone;
  return result;
}

std::vector<std::string> VisibleDevices(
    int count, const std::optional<std::string>& cuda_visible_devices) {
  std::vector<std::string> visible;
  if (!cuda_visible_devices) {
    for (int i = 0; i < count; ++i) visible.push_back(absl::StrCat(i));
    return visible;
  }
  if (count <= 0) return visible;
  std::vector<std::string> seen;  // what the entries mean: "1gpu" is "1"
  std::optional<EntryKind> list_kind;
  for (absl::string_view piece : absl::StrSplit(*cuda_visible_devices, ',')) {
    const std::string entry(absl::StripAsciiWhitespace(piece));
    const EntryKind kind = KindOf(entry);
    if (kind != list_kind.value_or(kind)) break;
    list_kind = kind;
    std::string meaning = entry;
    if (kind == EntryKind::kIndex) {
      const long long index = LeadingIndex(entry);
      if (index < 0 || index >= count) break;
      meaning = absl::StrCat(index);
    }
    if (std::find(seen.begin(), seen.end(), meaning) != seen.end()) return {};
    seen.push_back(std::move(meaning));
    visible.push_back(entry);
  }
  return visible;
}

}  // namespace muster::env
