// The nodes of a job as mpirun is told of them. Pure functions.
#ifndef MUSTER_LAUNCHER_MPI_HOSTS_H_
#define MUSTER_LAUNCHER_MPI_HOSTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/rendezvous.pb.h"

namespace muster::mpi {

// What stands for each node in mpirun's host list, by node rank: its numeric
// address, so that no name has to resolve. mpirun starts itself what it takes
// for its own machine; where two nodes share one (simulated nodes on loopback,
// two agents on a host), the others get an address of 240.0.0.0/4, which no
// machine has: `muster rsh` alone has to understand it.
std::vector<std::string> HostLabels(const std::vector<Peer>& peers);

// The rank of the node that `host` stands for: a label, an address, a host
// name that only one node has, or "node<k>".
std::optional<uint32_t> FindNode(const std::vector<Peer>& peers,
                                 const std::string& host);

}  // namespace muster::mpi

#endif  // MUSTER_LAUNCHER_MPI_HOSTS_H_
