#include "env/schedulers/torchrun.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "env/schedulers/hosts.h"
#include "env/schedulers/number.h"

namespace muster::env {
namespace {

struct Marker {
  const char* variable;
  const char* launcher;
};

constexpr Marker kMarkers[] = {
    {"MUSTER_RUN_ID", "muster"},
    {"TORCHELASTIC_RUN_ID", "torchrun"},
    {"TORCHELASTIC_RESTART_COUNT", "torchrun"},
    {"GROUP_WORLD_SIZE", "torchrun"},
    {"HOROVOD_RANK", "horovodrun"},
};

// PET_NNODES is N or MIN:MAX.
std::optional<Fact<NodeCount>> PetNodes(Reading* reading) {
  const Evidence evidence = reading->Get("PET_NNODES");
  if (evidence.value.empty()) return std::nullopt;
  const absl::string_view text = evidence.value;
  const size_t colon = text.find(':');
  const absl::string_view low = text.substr(0, colon);
  const absl::string_view high =
      colon == absl::string_view::npos ? low : text.substr(colon + 1);
  NodeCount count;
  if (!ParseNumber(low, &count.min) || !ParseNumber(high, &count.max) ||
      count.min < 1 || count.min > count.max || count.max > kMaxHosts) {
    reading->Fail(WrongValue(
        evidence, "must be N or MIN:MAX, with 1 <= MIN <= MAX <= 65536"));
    return std::nullopt;
  }
  return Fact<NodeCount>{count, {evidence}};
}

}  // namespace

absl::Status CheckNotNested(const Variables& variables) {
  for (const Marker& marker : kMarkers) {
    const auto found = variables.find(marker.variable);
    if (found == variables.end() || found->second.empty()) continue;
    return absl::AlreadyExistsError(absl::StrCat(
        Evidence{found->first, found->second}.Text(),
        ": this is already a worker of ", marker.launcher,
        ", which started one for each process; start `muster run` once on "
        "each node instead of it, or say --scheduler none if a job of its "
        "own is meant"));
  }
  return absl::OkStatus();
}

MaybeDiscovery DiscoverPet(const Inputs& inputs) {
  Reading reading(inputs);
  if (!reading.Has("PET_NNODES") && !reading.Has("PET_NODE_RANK") &&
      !reading.Has("PET_RDZV_ENDPOINT") && !reading.Has("PET_MASTER_ADDR")) {
    return std::nullopt;
  }
  Discovery found{"pet", "torchrun (PET_*)"};
  found.nodes = PetNodes(&reading);
  found.node_rank = reading.Rank("PET_NODE_RANK");
  if (reading.Has("PET_RDZV_ENDPOINT")) {
    found.rendezvous_host = reading.Host("PET_RDZV_ENDPOINT");
    if (found.rendezvous_host) {
      const Evidence evidence = reading.Get("PET_RDZV_ENDPOINT");
      const absl::StatusOr<HostPort> split = SplitHostPort(evidence.value);
      if (split->port) found.rendezvous_port = {*split->port, {evidence}};
    }
  } else {
    found.rendezvous_host = reading.Host("PET_MASTER_ADDR");
    found.rendezvous_port = reading.Port("PET_MASTER_PORT");
  }
  found.workers_per_node = reading.Text("PET_NPROC_PER_NODE");
  found.job_id = reading.Text("PET_RDZV_ID");
  if (!reading.status().ok()) return reading.status();
  if (!found.nodes) {
    found.nodes_advice = "PET_NNODES is not set: set it, or give --nnodes";
  }
  return found;
}

MaybeDiscovery DiscoverPytorchJob(const Inputs& inputs) {
  if (inputs.level != EnvLevel::kNode) return std::nullopt;
  Reading reading(inputs);
  if (!reading.Has("RANK") && !reading.Has("WORLD_SIZE")) return std::nullopt;
  for (const char* name : {"RANK", "WORLD_SIZE"}) {
    if (!reading.Has(name)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--env-level node: ", name,
          " is not set; it takes RANK, WORLD_SIZE and MASTER_ADDR"));
    }
  }
  Discovery found{"pytorchjob", "PyTorchJob"};
  found.nodes = reading.Nodes("WORLD_SIZE");
  found.node_rank = reading.Rank("RANK");
  found.rendezvous_host = reading.Host("MASTER_ADDR");
  found.rendezvous_port = reading.Port("MASTER_PORT");
  if (!reading.status().ok()) return reading.status();
  if (!found.rendezvous_host) {
    found.rendezvous_advice = "MASTER_ADDR is not set";
  }
  return found;
}

absl::Status CheckNotAmbiguous(const Inputs& inputs) {
  const Reading reading(inputs);
  if (inputs.level != EnvLevel::kUnsaid || !reading.Has("RANK") ||
      !reading.Has("WORLD_SIZE")) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      reading.Get("RANK").Text(), " and ", reading.Get("WORLD_SIZE").Text(),
      " may count nodes (PyTorchJob, Volcano, PAI) or processes (torchrun, "
      "DeepSpeed, Lightning); say --env-level=node to use them, or "
      "--env-level=process to leave them alone"));
}

}  // namespace muster::env
