// The stand-in's NCCL_DEBUG_FILE, in NCCL's own format.
#ifndef MUSTER_TESTS_SUPPORT_FABRIC_STAND_INS_NCCL_LOG_H_
#define MUSTER_TESTS_SUPPORT_FABRIC_STAND_INS_NCCL_LOG_H_

#include <string>

namespace muster::stand_in {

// A line at INFO. Threads: any.
void LogInfo(const std::string& text);
// One at WARN, which is also what LastError() gives from now on.
void LogWarning(const std::string& text);
// For ever the same place in memory.
const char* LastError();

}  // namespace muster::stand_in

#endif  // MUSTER_TESTS_SUPPORT_FABRIC_STAND_INS_NCCL_LOG_H_
