#include "env/hardware/limits.h"

#include <sys/resource.h>
#include <sys/statvfs.h>

#include <fstream>

namespace muster::env {

uint64_t MemlockLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  return limit.rlim_cur == RLIM_INFINITY ? kNoLimit : limit.rlim_cur;
}

uint64_t SharedMemorySize(const std::string& path) {
  struct statvfs size {};
  if (statvfs(path.c_str(), &size) != 0) return 0;
  return static_cast<uint64_t>(size.f_blocks) * size.f_frsize;
}

std::string BootId(const std::string& root) {
  std::ifstream file(root + "/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

}  // namespace muster::env
