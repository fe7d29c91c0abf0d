#include "env/schedulers/discover.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "env/schedulers/azure.h"
#include "env/schedulers/batch.h"
#include "env/schedulers/cluster_json.h"
#include "env/schedulers/kubernetes.h"
#include "env/schedulers/mpi_ranks.h"
#include "env/schedulers/sagemaker.h"
#include "env/schedulers/slurm.h"
#include "env/schedulers/torchrun.h"
#include "env/schedulers/volcano.h"

namespace muster::env {
namespace {

struct Scheduler {
  const char* name;
  MaybeDiscovery (*discover)(const Inputs&);
  const char* needs;  // by what it is recognized, for people
  // Its indexes are of processes, in an order that need not be the nodes'.
  bool ranks_processes = false;
};

// In the order in which they are asked: what was put nearest to the agent
// first, what counts processes last.
constexpr Scheduler kSchedulers[] = {
    {"pet", DiscoverPet, "PET_NNODES"},
    {"azureml", DiscoverAzureMl,
     "AZUREML_CR_DISTRIBUTED_CONFIG or AZUREML_NODE_COUNT"},
    {"azurebatch", DiscoverAzureBatch,
     "AZ_BATCH_HOST_LIST or AZ_BATCH_NODE_LIST"},
    {"sagemaker", DiscoverSageMaker,
     "SM_HOSTS or /opt/ml/input/config/resourceconfig.json"},
    {"vertex", DiscoverVertex, "CLUSTER_SPEC with cluster and task"},
    {"slurm", DiscoverSlurm, "SLURM_STEP_NODELIST, which srun sets"},
    {"lsf", DiscoverLsf, "LSB_JOBID and LSB_DJOB_HOSTFILE"},
    {"pbs", DiscoverPbs, "PBS_ENVIRONMENT, PBS_JOBID and PBS_NODEFILE"},
    {"sge", DiscoverSge, "SGE_ROOT, JOB_ID and PE_HOSTFILE"},
    {"volcano", DiscoverVolcano, "VC_TASK_INDEX"},
    {"kubernetes", DiscoverKubernetes, "JOB_COMPLETION_INDEX"},
    {"pytorchjob", DiscoverPytorchJob, "RANK and WORLD_SIZE"},
    {"openmpi", DiscoverOpenMpi, "OMPI_COMM_WORLD_RANK, _SIZE and _LOCAL_SIZE",
     true},
    {"pmi", DiscoverPmi, "PMI_RANK, PMI_SIZE and MPI_LOCALNRANKS", true},
    {"tfconfig", DiscoverTfConfig, "TF_CONFIG with a cluster", true},
};

const Scheduler* Find(absl::string_view name) {
  const auto* found =
      std::find_if(std::begin(kSchedulers), std::end(kSchedulers),
                   [name](const Scheduler& one) { return one.name == name; });
  return found == std::end(kSchedulers) ? nullptr : found;
}

std::string Says(const Discovery& one, absl::string_view what,
                 const std::vector<Evidence>& evidence) {
  return absl::StrCat(one.title, " says ", what, " (", EvidenceText(evidence),
                      ")");
}

// Errors: InvalidArgument when the two do not speak of the same job.
absl::Status CheckAgree(const Discovery& a, const Discovery& b) {
  std::string both;
  if (a.nodes && b.nodes && a.nodes->value != b.nodes->value) {
    both =
        absl::StrCat(Says(a, absl::StrCat(CountText(a.nodes->value), " nodes"),
                          a.nodes->evidence),
                     ", ",
                     Says(b, absl::StrCat(CountText(b.nodes->value), " nodes"),
                          b.nodes->evidence));
  } else if (a.node_rank && b.node_rank &&
             !Find(a.scheduler)->ranks_processes &&
             !Find(b.scheduler)->ranks_processes &&
             a.node_rank->value != b.node_rank->value) {
    both = absl::StrCat(
        Says(a, absl::StrCat("that this is node ", a.node_rank->value),
             a.node_rank->evidence),
        ", ",
        Says(b, absl::StrCat("that this is node ", b.node_rank->value),
             b.node_rank->evidence));
  } else {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(both,
                   ": they contradict each other; say which one is right with "
                   "--scheduler ",
                   a.scheduler, " or --scheduler ", b.scheduler));
}

// What one scheduler says, its index checked against its count.
MaybeDiscovery Ask(const Scheduler& scheduler, const Inputs& inputs) {
  MaybeDiscovery found = scheduler.discover(inputs);
  if (found.ok() && found->has_value()) {
    if (absl::Status status = CheckRank(**found); !status.ok()) return status;
  }
  return found;
}

// Takes over what `decides` leaves open, as far as both mean the same node 0.
void FillIn(const Discovery& other, Discovery* decides) {
  if (!decides->nodes || !other.nodes ||
      Find(decides->scheduler)->ranks_processes ||
      Find(other.scheduler)->ranks_processes || !other.rendezvous_host) {
    return;
  }
  if (!decides->rendezvous_host && !decides->node_rank) {
    decides->rendezvous_host = other.rendezvous_host;
    decides->rendezvous_port = other.rendezvous_port;
  }
  if (!decides->node_rank && decides->rendezvous_host &&
      decides->rendezvous_host->value == other.rendezvous_host->value) {
    decides->node_rank = other.node_rank;
    if (!decides->hosts) decides->hosts = other.hosts;
  }
}

MaybeDiscovery DiscoverNamed(const Inputs& inputs,
                             absl::string_view scheduler) {
  const Scheduler* found = Find(scheduler);
  if (found == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("must be auto, none or one of ",
                     absl::StrJoin(SchedulerNames(), ", ")));
  }
  Inputs told = inputs;
  // Its name says that the variables are about nodes.
  if (scheduler == "pytorchjob") told.level = EnvLevel::kNode;
  MaybeDiscovery discovery = Ask(*found, told);
  if (discovery.ok() && !discovery->has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--scheduler ", scheduler, ": it is not here; it takes ",
                     found->needs));
  }
  return discovery;
}

}  // namespace

std::vector<std::string> SchedulerNames() {
  std::vector<std::string> names;
  for (const Scheduler& scheduler : kSchedulers) {
    names.emplace_back(scheduler.name);
  }
  return names;
}

MaybeDiscovery Discover(const Inputs& inputs, absl::string_view scheduler) {
  if (scheduler != "auto") return DiscoverNamed(inputs, scheduler);
  if (absl::Status status = CheckNotNested(inputs.variables); !status.ok()) {
    return status;
  }
  std::vector<Discovery> found;
  absl::Status unusable;  // of what is there and does not speak of nodes
  for (const Scheduler& one : kSchedulers) {
    MaybeDiscovery discovery = Ask(one, inputs);
    if (absl::IsFailedPrecondition(discovery.status())) {
      if (unusable.ok()) unusable = discovery.status();
    } else if (!discovery.ok()) {
      return discovery.status();
    } else if (discovery->has_value()) {
      found.push_back(**std::move(discovery));
    }
  }
  const auto decides =
      std::find_if(found.begin(), found.end(),
                   [](const Discovery& one) { return one.nodes.has_value(); });
  if (decides == found.end()) {
    if (!unusable.ok()) return unusable;
    const absl::Status clear = CheckNotAmbiguous(inputs);
    if (found.empty()) {
      if (!clear.ok()) return clear;
      return std::nullopt;
    }
    if (!clear.ok()) found[0].notes.emplace_back(clear.message());
  } else {
    std::rotate(found.begin(), decides, decides + 1);
    if (!unusable.ok()) found[0].notes.emplace_back(unusable.message());
  }
  for (size_t i = 1; i < found.size(); ++i) {
    if (absl::Status status = CheckAgree(found[0], found[i]); !status.ok()) {
      return status;
    }
    FillIn(found[i], &found[0]);
  }
  return std::move(found[0]);
}

}  // namespace muster::env
