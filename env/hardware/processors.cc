#include "env/hardware/processors.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace muster::env {
namespace {

// First line of a file; empty when it cannot be read.
std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Quota over period, rounded up. No limit when either is no positive number:
// "max" and -1 are how the kernel says so.
std::optional<int> Limit(absl::string_view quota, absl::string_view period) {
  int64_t used = 0;
  int64_t of = 0;
  if (!absl::SimpleAtoi(quota, &used) || !absl::SimpleAtoi(period, &of) ||
      used <= 0 || of <= 0) {
    return std::nullopt;
  }
  return static_cast<int>((used - 1) / of + 1);
}

std::optional<int> LimitOfGroup(const std::string& directory) {
  const std::vector<std::string> v2 =
      absl::StrSplit(FirstLine(directory + "/cpu.max"), ' ', absl::SkipEmpty());
  if (v2.size() == 2) return Limit(v2[0], v2[1]);
  return Limit(FirstLine(directory + "/cpu.cfs_quota_us"),
               FirstLine(directory + "/cpu.cfs_period_us"));
}

// The smallest limit from `group` up to the root of the mounted hierarchy. In
// a container the mounted root may be the group itself while `group` is a path
// of the host, so that only the last step finds anything.
std::optional<int> LimitUpwards(const std::string& mount, std::string group) {
  std::optional<int> smallest;
  while (true) {
    while (!group.empty() && group.back() == '/') group.pop_back();
    if (std::optional<int> limit = LimitOfGroup(mount + group)) {
      smallest = std::min(*limit, smallest.value_or(*limit));
    }
    if (group.empty()) return smallest;
    group.resize(group.find_last_of('/') + 1);
  }
}

// Where a hierarchy may be mounted; `controllers` is empty for version 2.
std::vector<std::string> Mounts(const std::string& root,
                                absl::string_view controllers) {
  if (controllers.empty()) return {root, root + "/unified"};
  const std::vector<absl::string_view> names = absl::StrSplit(controllers, ',');
  if (std::find(names.begin(), names.end(), "cpu") == names.end()) return {};
  return {absl::StrCat(root, "/", controllers), root + "/cpu"};
}

int AffinityProcessors() {
  // The kernel refuses a mask smaller than its own, whose size nobody tells.
  for (int bits = 1024; bits <= (1 << 20); bits *= 2) {
    cpu_set_t* set = CPU_ALLOC(bits);
    const size_t size = CPU_ALLOC_SIZE(bits);
    const int result = sched_getaffinity(0, size, set);
    const int error = errno;
    const int count = result == 0 ? CPU_COUNT_S(size, set) : 0;
    CPU_FREE(set);
    if (result == 0) return count;
    if (error != EINVAL) break;
  }
  return static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
}

}  // namespace

std::optional<int> CgroupProcessorLimit(const ProcessorPaths& paths) {
  std::optional<int> smallest;
  std::ifstream file(paths.self_cgroup);
  for (std::string line; std::getline(file, line);) {
    // "hierarchy:controllers:/group", where the group may hold colons.
    const std::vector<std::string> fields =
        absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    for (const std::string& mount : Mounts(paths.cgroup_root, fields[1])) {
      if (std::optional<int> limit = LimitUpwards(mount, fields[2])) {
        smallest = std::min(*limit, smallest.value_or(*limit));
      }
    }
  }
  return smallest;
}

int UsableProcessors(const ProcessorPaths& paths) {
  const int allowed = AffinityProcessors();
  const int limit = CgroupProcessorLimit(paths).value_or(allowed);
  return std::max(1, std::min(allowed, limit));
}

}  // namespace muster::env
