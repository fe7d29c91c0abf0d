#include "env/schedulers/slurm.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/schedulers/hostlist.h"
#include "env/schedulers/hosts.h"
#include "env/schedulers/number.h"

namespace muster::env {
namespace {

// From here on, Slurm's numbers stand for the batch script, an interactive
// shell and the like.
constexpr uint32_t kFirstSpecialStep = 0xfffffff0;

bool IsInteractiveShell(const Reading& reading) {
  const std::string name = reading.Get("SLURM_JOB_NAME").value;
  return name == "bash" || name == "interactive";
}

// Whether srun started this, on every node of the step.
bool IsInStep(const Reading& reading) {
  uint32_t step = 0;
  return reading.Has("SLURM_PROCID") && reading.Has("SLURM_STEP_NODELIST") &&
         ParseNumber(reading.Get("SLURM_STEP_ID").value, &step) &&
         step < kFirstSpecialStep && !IsInteractiveShell(reading);
}

MaybeDiscovery OutsideOfStep(Reading* reading) {
  Discovery found{"slurm", "Slurm"};
  const char* name = reading->Has("SLURM_JOB_NUM_NODES") ? "SLURM_JOB_NUM_NODES"
                                                         : "SLURM_NNODES";
  found.nodes = reading->Nodes(name);
  found.job_id = reading->Text("SLURM_JOB_ID");
  if (!reading->status().ok()) return reading->status();
  if (found.nodes && found.nodes->value.max > 1) {
    return absl::FailedPreconditionError(absl::StrCat(
        reading->Get(name).Text(),
        ": this is the batch script or a shell of a "
        "Slurm job of ",
        found.nodes->value.max,
        " nodes, on one of them only; start the agents with `srun "
        "--ntasks-per-node=1 muster run ...`, or say --nnodes 1 to use this "
        "node alone"));
  }
  if (!found.nodes) return std::nullopt;
  return found;
}

// One task of a node starts its workers; the others would be spares.
absl::Status CheckTasksPerNode(const Reading& reading, size_t nodes,
                               uint32_t node_rank, Discovery* found) {
  const Evidence tasks = reading.Get("SLURM_STEP_TASKS_PER_NODE");
  if (tasks.value.empty()) return absl::OkStatus();
  const absl::StatusOr<std::vector<uint32_t>> counts =
      ExpandCounts(tasks.value);
  if (!counts.ok()) return WrongValue(tasks, counts.status());
  if (counts->size() != nodes) {
    return WrongValue(tasks, absl::StrCat("is about ", counts->size(),
                                          " nodes, and the step has ", nodes));
  }
  const uint32_t here = (*counts)[node_rank];
  if (here <= 1) return absl::OkStatus();
  const Evidence local = reading.Get("SLURM_LOCALID");
  if (local.value != "0") {
    return absl::AlreadyExistsError(absl::StrCat(
        local.value.empty() ? "SLURM_LOCALID is not set" : local.Text(), ", ",
        tasks.Text(), ": srun started ", here,
        " agents on this node, and only the first one (SLURM_LOCALID=0) may "
        "run; start one with `srun --ntasks-per-node=1 muster run ...`"));
  }
  found->notes.push_back(absl::StrCat(
      tasks.Text(), ": srun started ", here,
      " agents on this node; this first one runs the workers, the others are "
      "refused; use `srun --ntasks-per-node=1`"));
  return absl::OkStatus();
}

absl::StatusOr<Discovery> InStep(Reading* reading) {
  Discovery found{"slurm", "Slurm"};
  const Evidence list = reading->Get("SLURM_STEP_NODELIST");
  absl::StatusOr<std::vector<std::string>> hosts = ExpandHostlist(list.value);
  if (!hosts.ok()) return WrongValue(list, hosts.status());
  if (absl::Status status = CheckHosts(*hosts); !status.ok()) {
    return WrongValue(list, status);
  }
  SetHosts(*hosts, list, &found);
  if (reading->Has("SLURM_STEP_NUM_NODES")) {
    found.nodes = reading->Nodes("SLURM_STEP_NUM_NODES");
  }
  found.node_rank = reading->Rank("SLURM_NODEID");
  found.job_id = reading->Text("SLURM_JOB_ID");
  if (!reading->status().ok()) return reading->status();
  if (found.nodes->value.max != hosts->size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        EvidenceText(found.nodes->evidence), ", but ", list.Text(), " names ",
        hosts->size(), " hosts; was the list cut short?"));
  }
  if (!found.node_rank) {
    return absl::InvalidArgumentError(
        "SLURM_NODEID is not set, so this node's place in the step is not "
        "known; srun sets it");
  }
  if (absl::Status status = CheckRank(found); !status.ok()) return status;
  if (absl::Status status = CheckTasksPerNode(*reading, hosts->size(),
                                              found.node_rank->value, &found);
      !status.ok()) {
    return status;
  }
  if (found.job_id) {
    const std::string step = reading->Get("SLURM_STEP_ID").value;
    uint32_t number = 0;
    ParseNumber(step, &number);
    if (const auto port = PortOfJob(found.job_id->value, number)) {
      found.rendezvous_port = {*port, found.job_id->evidence};
    }
    found.job_id->value = absl::StrCat(found.job_id->value, ".", step);
    found.job_id->evidence.push_back(reading->Get("SLURM_STEP_ID"));
  }
  return found;
}

}  // namespace

MaybeDiscovery DiscoverSlurm(const Inputs& inputs) {
  Reading reading(inputs);
  if (!reading.Has("SLURM_JOB_ID") && !reading.Has("SLURM_STEP_NODELIST")) {
    return std::nullopt;
  }
  if (!IsInStep(reading)) return OutsideOfStep(&reading);
  uint32_t components = 0;
  if (ParseNumber(reading.Get("SLURM_HET_SIZE").value, &components) &&
      components > 1) {
    return absl::FailedPreconditionError(absl::StrCat(
        reading.Get("SLURM_HET_SIZE").Text(),
        ": the components of a heterogeneous job number their nodes apart; "
        "give --nnodes and --rdzv-endpoint, the same on all of them"));
  }
  return InStep(&reading);
}

}  // namespace muster::env
