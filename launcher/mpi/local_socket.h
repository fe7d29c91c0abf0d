// Frames between an agent and processes of its own node.
#ifndef MUSTER_LAUNCHER_MPI_LOCAL_SOCKET_H_
#define MUSTER_LAUNCHER_MPI_LOCAL_SOCKET_H_

#include <string>

#include "absl/status/statusor.h"
#include "google/protobuf/message_lite.h"
#include "launcher/process/unique_fd.h"
#include "launcher/process/wire.h"

namespace muster::mpi {

// The variable in which mpirun's processes find the name of their agent's
// socket. The name is one of Linux's abstract ones: no file, so nothing is left
// behind however the agent ends; who may connect is checked by user id.
inline constexpr char kSocketVariable[] = "MUSTER_AGENT_SOCKET";

process::Frame ToFrame(const google::protobuf::MessageLite& message);
// False when the frame is not such a message.
bool FromFrame(const process::Frame& frame,
               google::protobuf::MessageLite* message);

// Connects to the agent whose socket has this name, the value of
// MUSTER_AGENT_SOCKET.
//
// Errors:
//   FAILED_PRECONDITION  the name is empty: not inside a job.
//   UNAVAILABLE          nobody listens: the agent has ended, or is on another
//                        host.
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
