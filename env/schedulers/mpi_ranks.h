// The ranks that mpirun and its relatives give to processes.
#ifndef MUSTER_ENV_SCHEDULERS_MPI_RANKS_H_
#define MUSTER_ENV_SCHEDULERS_MPI_RANKS_H_

#include "env/schedulers/inputs.h"
#include "env/schedulers/reading.h"

namespace muster::env {

// OMPI_COMM_WORLD_RANK, _SIZE and _LOCAL_SIZE. They count processes, so they
// say something of nodes only where each node has one process. Where the
// nodes meet they do not say.
//
// Errors:
//   InvalidArgument  as MaybeDiscovery says.
//   AlreadyExists    several processes on this node.
MaybeDiscovery DiscoverOpenMpi(const Inputs& inputs);

// The same of Intel MPI and MPICH (PMI_RANK, PMI_SIZE, MPI_LOCALNRANKS) and of
// MVAPICH (MV2_COMM_WORLD_*). PMI's alone, without a local size, may be
// Slurm's and say nothing.
// Errors: as DiscoverOpenMpi().
MaybeDiscovery DiscoverPmi(const Inputs& inputs);

}  // namespace muster::env

#endif  // MUSTER_ENV_SCHEDULERS_MPI_RANKS_H_
