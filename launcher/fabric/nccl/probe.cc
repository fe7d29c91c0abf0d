#include "launcher/fabric/nccl/probe.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "launcher/fabric/nccl/command_inbox.h"
#include "launcher/fabric/nccl/driver.h"
#include "launcher/fabric/nccl/event_outbox.h"
#include "launcher/fabric/nccl/failure.h"
#include "launcher/fabric/nccl/group_task.h"
#include "launcher/fabric/nccl/inventory.h"
#include "launcher/fabric/nccl/library.h"
#include "launcher/fabric/nccl/log_part.h"
#include "launcher/fabric/nccl/solo_task.h"
#include "launcher/fabric/nccl/transfer.h"
#include "launcher/fabric/nccl/watch.h"
#include "launcher/fabric/nccl_version.h"

namespace muster::fabric {
namespace {

// Standard output for events alone: what a library prints goes to standard
// error from here on.
int TakeStandardOutput() {
  const int events = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  dup2(STDERR_FILENO, STDOUT_FILENO);
  return events;
}

// Job: one probe. Life cycle: made, Run once, which ends with the process.
// Threads: the one that made it; the GPU's context belongs to it.
class NcclProbe {
 public:
  NcclProbe(const NcclProbeOptions& options, CommandInbox& inbox, int events)
      : options_(options), inbox_(inbox), outbox_(events) {}

  [[noreturn]] void Run() {
    Open();
    outbox_.Ready(absl::StrCat("NCCL ", NcclVersionText(nccl_->version()),
                               " of ", nccl_->path()));
    for (;;) Do(inbox_.NextTask());
  }

 private:
  void Open() {
    absl::StatusOr<std::unique_ptr<DeviceRuntime>> device = OpenCudaDriver();
    if (!device.ok()) LeaveBroken(device.status());
    device_ = *std::move(device);
    absl::StatusOr<NcclLibrary> nccl = NcclLibrary::Open(options_.nccl_library);
    if (!nccl.ok()) LeaveBroken(nccl.status());
    nccl_ = std::make_unique<NcclLibrary>(*std::move(nccl));
    transfer_ = std::make_unique<Transfer>(*device_);
    if (absl::Status status = transfer_->Open(); !status.ok()) {
      LeaveBroken(status);
    }
  }

  [[noreturn]] void LeaveBroken(const absl::Status& status) {
    FabricFailure failure = *FailedBy(status);
    failure.set_stage(FABRIC_STAGE_START);
    outbox_.Broken(failure);
  }

  void Do(const ProbeTask& task) {
    const FabricGroup& group = task.group();
    const LogPart log(options_.settings.log);
    FabricMeasurement measured;
    bool stuck = false;
    const Failed failed = RunTask(task, &measured, &stuck);
    ProbeEvent event;
    SlotResult* result = event.mutable_result();
    result->set_group(group.id());
    result->set_rank(task.rank());
    if (failed) {
      *result->mutable_failed() = *failed;
    } else {
      *result->mutable_measured() = std::move(measured);
    }
    AddLogFacts(log.Read(), result);
    AddLogReasons(log.ReadAll(), result);
    outbox_.Send(event);
    if (stuck || device_->lost()) outbox_.Broken(*failed);
  }

  Failed RunTask(const ProbeTask& task, FabricMeasurement* measured,
                 bool* stuck) {
    const FabricGroup& group = task.group();
    if (inbox_.IsStopped(group.id())) {
      return MakeFailure(FABRIC_FAILURE_ABORTED, "stopped before it began");
    }
    if (group.members_size() <= 1) {
      outbox_.Stage(group.id(), FABRIC_STAGE_MEMORY);
      Watch watch(inbox_, group.id(), absl::Milliseconds(group.run_ms()));
      return RunSoloTask(group, *device_, *transfer_, watch, measured, stuck);
    }
    // NCCL reads it for each communicator.
    ApplyVariable("NCCL_ALGO",
                  AlgorithmFor(group.ring(), options_.environment));
    const TaskTools tools = {*nccl_, *device_, *transfer_, inbox_, outbox_};
    return RunGroupTask(task, tools, measured, stuck);
  }

  const NcclProbeOptions& options_;
  CommandInbox& inbox_;
  EventOutbox outbox_;
  std::unique_ptr<DeviceRuntime> device_;
  std::unique_ptr<NcclLibrary> nccl_;
  std::unique_ptr<Transfer> transfer_;
};

}  // namespace

int RunNcclProbe(const NcclProbeOptions& options) {
  signal(SIGPIPE, SIG_IGN);
  const int events = TakeStandardOutput();
  ApplyEnvironment(options.environment,
                   MakeNcclEnvironment(options.environment, options.settings));
  // Lives as long as the process, as its thread does.
  auto* inbox = new CommandInbox(STDIN_FILENO);
  NcclProbe(options, *inbox, events).Run();
}

std::string NcclProbeMissing() { return ""; }

void AddNcclLibrary(const std::string& library, FabricInventory* inventory) {
  const absl::StatusOr<NcclLibrary> nccl = NcclLibrary::Open(library);
  if (!nccl.ok()) {
    inventory->set_nccl_problem(std::string(nccl.status().message()));
    return;
  }
  inventory->set_nccl_version(static_cast<uint32_t>(nccl->version()));
  inventory->set_nccl_library(nccl->path());
}

}  // namespace muster::fabric
