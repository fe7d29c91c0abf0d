// `muster mpi-rank`: what mpirun takes for a rank.
#ifndef MUSTER_LAUNCHER_MPI_RANK_SHIM_H_
#define MUSTER_LAUNCHER_MPI_RANK_SHIM_H_

#include <string>

#include "launcher/mpi/services.h"

namespace muster::mpi {

// Has the agent start the rank whose variables Open MPI has set, waits, and
// ends as the rank has ended: with its exit code, or by its signal. The rank
// itself is a child of the keeper, as in every other mode: its output does not
// pass through mpirun, which may end or be killed without harm to it.
//
// Never returns where the rank died of a signal. 1 when the agent refuses or is
// gone; the reason is on stderr.
int RunRankShim(const std::string& agent, const Environment& environment);

}  // namespace muster::mpi

#endif  // MUSTER_LAUNCHER_MPI_RANK_SHIM_H_
