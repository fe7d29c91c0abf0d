#include "launcher/fabric/nccl/communicator.h"

#include <future>
#include <memory>
#include <thread>

#include "absl/time/time.h"

namespace muster::fabric {
namespace {

constexpr absl::Duration kAbortPatience = absl::Seconds(3);

}  // namespace

Failed Communicator::Problem(const char* what, ncclResult_t result) const {
  FabricFailure failure =
      MakeFailure(FABRIC_FAILURE_ERROR, nccl_.Explain(what, result));
  failure.set_code(result);
  return failure;
}

Failed Communicator::AsyncError(const char* what, bool* busy) const {
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked =
      nccl_.call().get_async_error(communicator_, &state);
  if (asked != ncclSuccess) return Problem("ncclCommGetAsyncError", asked);
  *busy = state == ncclInProgress;
  if (state == ncclSuccess || *busy) return std::nullopt;
  return Problem(what, state);
}

Failed Communicator::Settle(const char* what, ncclResult_t result,
                            Watch& watch) {
  if (result == ncclSuccess) return std::nullopt;
  if (result != ncclInProgress) return Problem(what, result);
  watch.BeginWait();
  for (;;) {
    bool busy = false;
    if (Failed failed = AsyncError(what, &busy)) return failed;
    if (!busy) return std::nullopt;
    if (Failed failed = watch.Check(what)) return failed;
    watch.Pause();
  }
}

Failed Communicator::Connect(const ncclUniqueId& id, int members, int rank,
                             Watch& watch) {
  return Settle("ncclCommInitRank",
                nccl_.InitRank(&communicator_, members, id, rank), watch);
}

Failed Communicator::Reduce(DeviceRuntime::Address from,
                            DeviceRuntime::Address to, size_t count,
                            ncclRedOp_t operation, Watch& watch) {
  const ncclResult_t result = nccl_.call().all_reduce(
      from, to, count, ncclFloat32, operation, communicator_,
      static_cast<cudaStream_t>(device_.stream()));
  return Settle("ncclAllReduce", result, watch);
}

Failed Communicator::WaitForDevice(Watch& watch) {
  watch.BeginWait();
  for (;;) {
    bool busy = false;
    if (Failed failed = AsyncError("ncclAllReduce", &busy)) return failed;
    const absl::StatusOr<bool> idle = device_.IsIdle();
    if (!idle.ok()) return FailedBy(idle.status());
    if (*idle && !busy) return std::nullopt;
    if (Failed failed = watch.Check("the reduction")) return failed;
    watch.Pause();
  }
}

Failed Communicator::Finish(Watch& watch) {
  // What is still under way to others must get there.
  if (nccl_.call().finalize != nullptr) {
    if (Failed failed = Settle("ncclCommFinalize",
                               nccl_.call().finalize(communicator_), watch)) {
      return failed;
    }
  }
  const ncclResult_t result = nccl_.call().destroy(communicator_);
  if (result != ncclSuccess && result != ncclInProgress) {
    return Problem("ncclCommDestroy", result);
  }
  communicator_ = nullptr;
  return std::nullopt;
}

bool Communicator::Abort() {
  if (communicator_ == nullptr) return true;
  // It is known to hang with the GPU: on a thread that may be left behind.
  auto done = std::make_shared<std::promise<void>>();
  std::future<void> waiting = done->get_future();
  std::thread([done, abort = nccl_.call().abort, dead = communicator_] {
    abort(dead);
    done->set_value();
  }).detach();
  communicator_ = nullptr;
  return waiting.wait_for(absl::ToChronoMilliseconds(kAbortPatience)) ==
         std::future_status::ready;
}

}  // namespace muster::fabric
