// The commands that processes of this node have asked other nodes for.
#ifndef MUSTER_LAUNCHER_MPI_REMOTE_CALLS_H_
#define MUSTER_LAUNCHER_MPI_REMOTE_CALLS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "launcher/mpi/local_server.h"
#include "launcher/mpi/services.h"
#include "proto/local.pb.h"
#include "proto/rendezvous.pb.h"

namespace muster::mpi {

// Job: turns what `muster rsh` asks for into frames for the session, and knows
// for which of them a frame that comes back is.
// Pure: no input or output.
class RemoteCalls {
 public:
  // `peers` by node rank. `own` is the environment that services of this node
  // have, and must outlive this; `working_directory` is the agent's.
  RemoteCalls(uint32_t node_rank, std::vector<Peer> peers,
              const Environment& own, std::string working_directory);

  // The frame that starts the command.
  // Errors: NotFound, where the host is no node of this job; the text says
  // which are.
  absl::StatusOr<RemoteFrame> Open(LocalServer::Peer peer,
                                   const RemoteOpen& open);

  // What a connection has to say to its command: a frame for each it has.
  std::vector<RemoteFrame> Request(LocalServer::Peer peer,
                                   const RemoteRequest& request) const;

  // The connection is no more: the frames that hang up on its commands.
  std::vector<RemoteFrame> Closed(LocalServer::Peer peer);

  // Whom this reply is for, if anybody waits for it still. Its end ends the
  // call.
  std::optional<LocalServer::Peer> Replied(const RemoteFrame& frame);

 private:
  struct Call {
    LocalServer::Peer peer;
    uint32_t executor;  // node rank
  };

  RemoteFrame FrameFor(uint64_t exchange, const Call& call) const;

  const uint32_t node_rank_;
  const std::vector<Peer> peers_;
  const Environment& own_;
  const std::string working_directory_;
  uint64_t last_exchange_ = 0;
  std::map<uint64_t, Call> calls_;  // by exchange
};

}  // namespace muster::mpi

#endif  // MUSTER_LAUNCHER_MPI_REMOTE_CALLS_H_
