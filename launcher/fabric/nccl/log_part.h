// What NCCL wrote into its log during one task.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_LOG_PART_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_LOG_PART_H_

#include <cstdint>
#include <string>

#include "proto/fabric.pb.h"

namespace muster::fabric {

// Job: the part of a log from one moment on, and what it says of a result.
// Life cycle: made when the task begins; then asked. Threads: one.
class LogPart {
 public:
  // `path` may be "": there is no log.
  explicit LogPart(std::string path);

  // The last 2 MiB of it at most; "" when it can't be read.
  std::string Read() const;
  // The same of the whole log.
  std::string ReadAll() const;

 private:
  std::string ReadFrom(uint64_t start) const;

  const std::string path_;
  uint64_t start_ = 0;
};

// Of the part that the task wrote: network, transports, NVLS and times of
// connecting, or the last warnings.
void AddLogFacts(const std::string& log, SlotResult* result);

// Of the whole log: why sockets, and whether the job turned NVLS off. NCCL says
// so once in a process.
void AddLogReasons(const std::string& log, SlotResult* result);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_LOG_PART_H_
