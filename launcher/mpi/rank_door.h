// Which ranks Open MPI has started on this node, and what their shims are told.
#ifndef MUSTER_LAUNCHER_MPI_RANK_DOOR_H_
#define MUSTER_LAUNCHER_MPI_RANK_DOOR_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "launcher/mpi/local_server.h"
#include "proto/rendezvous.pb.h"

namespace muster::mpi {

// Job: lets each rank of this node in once, and decides when its shim hears how
// the rank has ended: at once of a success, but of a failure only after
// Release(), for mpirun kills the other ranks as soon as it knows.
// Pure: no input or output.
class RankDoor {
 public:
  struct Place {
    uint32_t node_rank = 0;
    std::string host_name;
    uint32_t first_rank = 0;
    uint32_t workers = 1;
  };
  // What the shim behind this connection is to be told.
  struct Answer {
    LocalServer::Peer peer;
    muster::RankEnded status;
  };

  explicit RankDoor(Place place) : place_(std::move(place)) {}

  // A shim asks for its rank to be started. Errors, whose text is for the shim:
  //   OutOfRange          the rank is another node's
  //   Unavailable         after Close()
  //   AlreadyExists       the rank was started before
  absl::Status Enter(LocalServer::Peer peer, uint32_t rank);

  std::optional<Answer> Ended(uint32_t rank, const muster::RankEnded& status);

  // No rank is let in any more.
  void Close() { closed_ = true; }

  // Closes, and gives what was held back.
  std::vector<Answer> Release();

 private:
  struct Rank {
    LocalServer::Peer peer = 0;
    std::optional<muster::RankEnded> ended;
  };

  const Place place_;
  std::map<uint32_t, Rank> ranks_;  // those whose shims have come
  bool closed_ = false;
  bool released_ = false;
};

}  // namespace muster::mpi

#endif  // MUSTER_LAUNCHER_MPI_RANK_DOOR_H_
