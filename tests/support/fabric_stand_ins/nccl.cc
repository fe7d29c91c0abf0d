// A stand-in for libnccl.so.2 over the stand-in for libcuda.so.1. See faults.h.
#include <cuda.h>
#include <nccl.h>

#include <cstring>
#include <memory>
#include <thread>

#include "tests/support/fabric_stand_ins/communicator.h"
#include "tests/support/fabric_stand_ins/faults.h"
#include "tests/support/fabric_stand_ins/machine.h"
#include "tests/support/fabric_stand_ins/nccl_log.h"

namespace {

using muster::stand_in::Fault;
using muster::stand_in::Faults;
using muster::stand_in::LogInfo;
using muster::stand_in::LogWarning;
using muster::stand_in::UniqueId;

__attribute__((constructor)) void Load() {
  muster::stand_in::HideMissingSymbols(reinterpret_cast<void*>(&Load));
}

// One all-reduce on a stream.
struct Reduction {
  ncclComm_t communicator;
  const void* from;
  void* to;
  size_t count;
  ncclRedOp_t operation;
};

void Run(void* data) {
  const std::unique_ptr<Reduction> job(static_cast<Reduction*>(data));
  const size_t bytes = job->count * sizeof(float);
  if (job->from != job->to) memcpy(job->to, job->from, bytes);
  const ncclResult_t result = job->communicator->Reduce(
      static_cast<float*>(job->to), job->count, job->operation);
  if (result != ncclSuccess) {
    job->communicator->state = result;
    // As NCCL's kernels do: they wait for what never comes.
    job->communicator->abort.Wait();
  }
  --job->communicator->reducing;
}

void RunInit(ncclComm_t communicator, UniqueId id) {
  const ncclResult_t result = communicator->Init(id);
  communicator->state = result;
}

ncclResult_t Start(ncclComm_t* communicator, int members, ncclUniqueId id,
                   int rank, bool blocking) {
  CUdevice gpu = 0;
  if (cuCtxGetDevice(&gpu) != CUDA_SUCCESS) {
    LogWarning("Cuda failure 'invalid device context'");
    return ncclUnhandledCudaError;
  }
  if (members < 1 || rank < 0 || rank >= members) return ncclInvalidArgument;
  UniqueId own;
  memcpy(&own, id.internal, sizeof own);
  auto* made = new ncclComm(members, rank, gpu);
  *communicator = made;
  if (blocking) {
    RunInit(made, own);
    return made->state;
  }
  made->init = std::thread(RunInit, made, own);
  return ncclInProgress;
}

// Waits for what uses it, and frees it.
void Remove(ncclComm_t communicator) {
  if (communicator->init.joinable()) communicator->init.join();
  while (communicator->reducing > 0) std::this_thread::yield();
  delete communicator;
}

}  // namespace

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  *version = muster::stand_in::Version();
  return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  UniqueId own;
  const ncclResult_t result = muster::stand_in::StartRoot(&own);
  memset(id->internal, 0, sizeof id->internal);
  memcpy(id->internal, &own, sizeof own);
  return result;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "unhandled cuda error (run with NCCL_DEBUG=INFO for details)";
    case ncclSystemError:
      return "unhandled system error (run with NCCL_DEBUG=INFO for details)";
    case ncclInternalError:
      return "internal error - please report this issue to the NCCL developers";
    case ncclInvalidArgument:
      return "invalid argument (run with NCCL_DEBUG=WARN for details)";
    case ncclInvalidUsage:
      return "invalid usage (run with NCCL_DEBUG=WARN for details)";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInProgress:
      return "NCCL operation in progress";
    default:
      return "unknown result code";
  }
}

const char* ncclGetLastError(ncclComm_t /*communicator*/) {
  return muster::stand_in::LastError();
}

ncclResult_t ncclCommInitRank(ncclComm_t* communicator, int members,
                              ncclUniqueId id, int rank) {
  return Start(communicator, members, id, rank, true);
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* communicator, int members,
                                    ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  constexpr unsigned int kMagic = 0xcafebeef;
  if (config == nullptr || config->magic != kMagic) {
    LogWarning(
        "ncclConfig_t argument not initialized via "
        "NCCL_CONFIG_INITIALIZER");
    return ncclInvalidArgument;
  }
  return Start(communicator, members, id, rank, config->blocking != 0);
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t communicator,
                                   ncclResult_t* result) {
  *result = communicator->state;
  if (*result == ncclSuccess && communicator->busy > 0) {
    --communicator->busy;
    *result = ncclInProgress;
  }
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* from, void* to, size_t count,
                           ncclDataType_t type, ncclRedOp_t operation,
                           ncclComm_t communicator, cudaStream_t stream) {
  if (type != ncclFloat32 || count == 0 ||
      (operation != ncclSum && operation != ncclMax)) {
    return ncclInvalidArgument;
  }
  if (communicator->state != ncclSuccess) return ncclInvalidArgument;
  ++communicator->reducing;
  ++communicator->busy;
  cuLaunchHostFunc(stream, Run,
                   new Reduction{communicator, from, to, count, operation});
  return ncclInProgress;
}

ncclResult_t ncclCommFinalize(ncclComm_t communicator) {
  ++communicator->busy;
  return ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t communicator) {
  Remove(communicator);
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t communicator) {
  LogInfo("comm 0x1 - Abort START");
  communicator->abort.Set();
  Remove(communicator);
  return ncclSuccess;
}

}  // extern "C"
