// What an error of NCCL most likely means.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_ERRORS_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_ERRORS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace muster::fabric {

// ncclResult_t's values, which do not change; nccl.h may be absent.
enum NcclCode : int {
  kNcclSuccess = 0,
  kNcclUnhandledCudaError = 1,
  kNcclSystemError = 2,
  kNcclInternalError = 3,
  kNcclInvalidArgument = 4,
  kNcclInvalidUsage = 5,
  kNcclRemoteError = 6,
  kNcclInProgress = 7,
  kNcclTimeout = 8,
};

// "ncclRemoteError"; "NCCL error 99" for what is unknown.
std::string NcclCodeName(int code);

enum class NcclBlame {
  kGpu,      // this GPU or its driver
  kNic,      // this node's NIC
  kNode,     // how this node, or its container, is set up
  kJob,      // settings or versions that differ between the nodes
  kLink,     // between this node's NIC and the peer's
  kPeer,     // the other end ended; its own error says more
  kUnclear,  // nobody: to be found by tests of pairs
};

struct NcclCause {
  NcclBlame blame = NcclBlame::kUnclear;
  std::string cause;  // in words, without a full stop
  std::string next;   // the command to run, or what to do
  std::string peer;   // host or address that NCCL named, without the port
  std::string hca;    // NIC of this node that NCCL named: "mlx5_0"
  // What it was taken from; empty where only the code was known.
  std::string message;
};

// `messages`: NCCL's warnings in the order in which they came (nccl_log.h),
// then ncclGetLastError's, which is often only what followed from the first
// ones. The first one that blames anybody counts.
NcclCause ExplainNcclError(int code, const std::vector<std::string>& messages);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_ERRORS_H_
