// NCCL, loaded at run time.
#ifndef MUSTER_LAUNCHER_FABRIC_NCCL_LIBRARY_H_
#define MUSTER_LAUNCHER_FABRIC_NCCL_LIBRARY_H_

#include <nccl.h>

#include <string>

#include "absl/status/statusor.h"

namespace muster::fabric {

// The functions of NCCL that a probe calls. Those that may be null say since
// when they exist.
struct NcclFunctions {
  decltype(ncclGetVersion)* get_version = nullptr;
  decltype(ncclGetUniqueId)* get_unique_id = nullptr;
  decltype(ncclCommInitRank)* init_rank = nullptr;
  decltype(ncclCommAbort)* abort = nullptr;
  decltype(ncclCommDestroy)* destroy = nullptr;
  decltype(ncclCommGetAsyncError)* get_async_error = nullptr;
  decltype(ncclGetErrorString)* get_error_string = nullptr;
  decltype(ncclAllReduce)* all_reduce = nullptr;
  decltype(ncclGetLastError)* get_last_error = nullptr;          // 2.13
  decltype(ncclCommInitRankConfig)* init_rank_config = nullptr;  // 2.14
  decltype(ncclCommFinalize)* finalize = nullptr;                // 2.14
};

// Job: NCCL's function table.
// Life cycle: Open once in a process; never unloaded. Threads: NCCL's own
// rules. Copies are the same library.
class NcclLibrary {
 public:
  // `name`: a path, or "libnccl.so.2". Errors:
  //   NotFound       there is no such library, or it can't be loaded (why)
  //   Unimplemented  it lacks a function, which is named
  //   Internal       it does not tell its version
  static absl::StatusOr<NcclLibrary> Open(const std::string& name);

  const NcclFunctions& call() const { return functions_; }
  int version() const { return version_; }  // as NCCL counts: 22809
  const std::string& path() const { return path_; }

  // A communicator that does not block, where this NCCL can; else the call
  // waits for all members. As ncclCommInitRank.
  ncclResult_t InitRank(ncclComm_t* communicator, int members, ncclUniqueId id,
                        int rank) const;
  bool can_init_without_blocking() const {
    return functions_.init_rank_config != nullptr;
  }

  // "ncclAllReduce: unhandled cuda error (1): Cuda failure 'out of memory'".
  std::string Explain(const char* what, ncclResult_t result) const;
  // NCCL's last words of warning in this process, of whatever call and
  // communicator; "" for none.
  std::string LastError() const;

 private:
  NcclFunctions functions_;
  int version_ = 0;
  std::string path_;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NCCL_LIBRARY_H_
