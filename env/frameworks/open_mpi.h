#ifndef MUSTER_ENV_FRAMEWORKS_OPEN_MPI_H_
#define MUSTER_ENV_FRAMEWORKS_OPEN_MPI_H_

#include "env/frameworks/placement.h"
#include "env/frameworks/variables.h"

namespace muster::env {

// Open MPI's ranks for scripts that only read them, where no Open MPI starts
// the workers: OMPI_COMM_WORLD_RANK, _SIZE, _LOCAL_RANK, _LOCAL_SIZE and
// _NODE_RANK, which, whatever its name says, is the rank on the node. They are
// names alone: MPI_Init makes a world of one process of each worker.
Variables OpenMpiNames(const Placement& placement);

// Takes out what makes a process one of an MPI job. A worker that inherited it
// from an agent under mpirun or srun would join that job in the agent's place:
// Open MPI fails or hangs there, and Accelerate and JAX read its ranks instead
// of ours. What is only a setting (OMPI_MCA_btl and the like) stays.
void EraseMpiProcess(Variables* inherited);

}  // namespace muster::env

#endif  // MUSTER_ENV_FRAMEWORKS_OPEN_MPI_H_
