// Limits of this node that collective libraries run into, and which boot of
// which machine it is.
#ifndef MUSTER_ENV_HARDWARE_LIMITS_H_
#define MUSTER_ENV_HARDWARE_LIMITS_H_

#include <cstdint>
#include <limits>
#include <string>

namespace muster::env {

inline constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

// How much memory this process may lock, in bytes: its soft limit. RDMA locks
// what it sends.
uint64_t MemlockLimit();

// The size of the file system at `path`, in bytes; 0 where it cannot be asked,
// as when there is no such directory. NCCL's and PyTorch's processes of one
// node speak through /dev/shm.
uint64_t SharedMemorySize(const std::string& path = "/dev/shm");

// The kernel's name for its present run. Nodes with the same one share a
// machine. "" where it cannot be read. `root` is put before /proc.
std::string BootId(const std::string& root = "");

}  // namespace muster::env

#endif  // MUSTER_ENV_HARDWARE_LIMITS_H_
