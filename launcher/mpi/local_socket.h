// Frames between an agent and processes of its own node.
#ifndef MUSTER_LAUNCHER_MPI_LOCAL_SOCKET_H_
#define MUSTER_LAUNCHER_MPI_LOCAL_SOCKET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message_lite.h"
#include "launcher/process/unique_fd.h"
#include "launcher/process/wire.h"

namespace muster::mpi {

// The variable in which mpirun's processes find the name of their agent's
// socket. The name is one of Linux's abstract ones: no file, so nothing is left
// behind however the agent ends; who may connect is checked by user id.
inline constexpr char kSocketVariable[] = "MUSTER_AGENT_SOCKET";

// The name for the agent of this node; `unique` tells it from every other one
// on the host.
std::string SocketName(const std::string& run_id, uint32_t node_rank,
                       const std::string& unique);

// The agents among the sockets that /proc/net/unix lists: for a person who
// types `muster rsh` beside a job. Of each run the one with the lowest rank.
std::vector<std::string> AgentsIn(absl::string_view proc_net_unix);

// The agent to ask: that of MUSTER_AGENT_SOCKET, which is `variable`, else the
// only job's on this host.
// Errors: FailedPrecondition, when there is no job here, or more than one.
absl::StatusOr<std::string> ChooseAgent(const std::string& variable);

process::Frame ToFrame(const google::protobuf::MessageLite& message);
// False when the frame is not such a message.
bool FromFrame(const process::Frame& frame,
               google::protobuf::MessageLite* message);

// Connects to the agent whose socket has this name.
//
// Errors:
//   UNAVAILABLE  nobody listens: the agent has ended, or is on another host.
absl::StatusOr<process::UniqueFd> ConnectToAgent(const std::string& name);

// A blocking conversation with the agent, for programs with one thread.
class AgentLine {
 public:
  explicit AgentLine(process::UniqueFd socket);

  // False when the agent is gone.
  bool Send(const google::protobuf::MessageLite& message);
  // Waits for the next message. False when the agent is gone.
  bool Receive(google::protobuf::MessageLite* message);
  int fd() const { return socket_.get(); }

 private:
  process::UniqueFd socket_;
  process::FrameReader reader_;
  process::FrameWriter writer_;
};

}  // namespace muster::mpi

#endif  // MUSTER_LAUNCHER_MPI_LOCAL_SOCKET_H_
