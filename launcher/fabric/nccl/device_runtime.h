// What a probe needs of a GPU, whoever made it.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_DEVICE_RUNTIME_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_DEVICE_RUNTIME_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace muster::fabric {

// Job: memory, one stream and two marks on one GPU.
// Life cycle: made ready by its maker; what is allocated is freed by hand, or
// by the end of the process. Threads: the one that made it.
//
// Nothing here waits for the GPU, which may never answer: copies and marks are
// put on the stream, and IsIdle() is asked until they are through. Errors are
// the vendor's, Internal, naming the call, the code and its meaning.
class DeviceRuntime {
 public:
  // Where something is on the GPU, as NCCL takes it.
  using Address = void*;

  struct Memory {
    size_t free = 0;  // bytes
    size_t total = 0;
  };

  virtual ~DeviceRuntime() = default;

  virtual absl::StatusOr<Memory> GetMemory() = 0;
  virtual absl::StatusOr<Address> Allocate(size_t bytes) = 0;
  virtual void Free(Address address) = 0;
  // Of the host, in a form that the GPU reads and writes by itself.
  virtual absl::StatusOr<void*> AllocateHost(size_t bytes) = 0;

  virtual absl::Status CopyIn(Address to, const void* from, size_t bytes) = 0;
  virtual absl::Status CopyOut(void* to, Address from, size_t bytes) = 0;
  virtual absl::Status CopyWithin(Address to, Address from, size_t bytes) = 0;
  virtual absl::Status Fill(Address to, unsigned char byte, size_t bytes) = 0;

  // The stream is through with all that was put on it.
  virtual absl::StatusOr<bool> IsIdle() = 0;
  // As NCCL takes it.
  virtual void* stream() = 0;

  // The GPU's own time between two points of the stream, once it is idle.
  virtual absl::Status MarkStart() = 0;
  virtual absl::Status MarkEnd() = 0;
  virtual absl::StatusOr<double> MarkedSeconds() = 0;

  // An error has come after which nothing on this GPU works any more in this
  // process.
  virtual bool lost() const = 0;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_DEVICE_RUNTIME_H_
