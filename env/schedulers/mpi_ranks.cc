#include "env/schedulers/mpi_ranks.h"

#include "absl/strings/str_cat.h"
#include "env/schedulers/hosts.h"

namespace muster::env {
namespace {

struct Names {
  const char* rank;
  const char* size;
  const char* local_size;
  const char* one_per_node;  // how to start one process on each node
};

constexpr Names kOpenMpi = {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
                            "OMPI_COMM_WORLD_LOCAL_SIZE",
                            "mpirun --map-by ppr:1:node"};
constexpr Names kHydra = {"PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS",
                          "mpirun -ppn 1"};
constexpr Names kMvapich = {"MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE",
                            "MV2_COMM_WORLD_LOCAL_SIZE", "mpirun -ppn 1"};

MaybeDiscovery FromRanks(const Inputs& inputs, const Names& names,
                         Discovery found) {
  Reading reading(inputs);
  if (!reading.Has(names.rank) || !reading.Has(names.size) ||
      !reading.Has(names.local_size)) {
    return std::nullopt;
  }
  const auto local = reading.Number(names.local_size, 1, kMaxHosts);
  found.nodes = reading.Nodes(names.size);
  found.node_rank = reading.Rank(names.rank);
  if (!reading.status().ok()) return reading.status();
  if (local->value > 1) {
    return absl::AlreadyExistsError(absl::StrCat(
        EvidenceText(local->evidence), ": mpirun started ", local->value,
        " agents on this node; start one, which starts the workers itself: `",
        names.one_per_node, " muster run --nproc-per-node ", local->value,
        " ...`"));
  }
  found.nodes->evidence.push_back(local->evidence[0]);
  found.rendezvous_advice =
      absl::StrCat(found.title, " does not say where rank 0 is");
  return found;
}

}  // namespace

MaybeDiscovery DiscoverOpenMpi(const Inputs& inputs) {
  return FromRanks(inputs, kOpenMpi, {"openmpi", "Open MPI"});
}

MaybeDiscovery DiscoverPmi(const Inputs& inputs) {
  MaybeDiscovery found = FromRanks(inputs, kHydra, {"pmi", "PMI"});
  if (!found.ok() || found->has_value()) return found;
  return FromRanks(inputs, kMvapich, {"pmi", "MVAPICH"});
}

}  // namespace muster::env
