// What Open MPI needs of one node: mpirun on the first, `muster rsh` to and
// from everywhere, and the start of the ranks.
#ifndef MUSTER_LAUNCHER_MPI_NODE_SERVICE_H_
#define MUSTER_LAUNCHER_MPI_NODE_SERVICE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "asio/io_context.hpp"
#include "launcher/mpi/local_server.h"
#include "launcher/mpi/mpirun.h"
#include "launcher/mpi/node_directory.h"
#include "launcher/mpi/rank_door.h"
#include "launcher/mpi/remote_calls.h"
#include "launcher/mpi/remote_commands.h"
#include "launcher/mpi/service_command.h"
#include "launcher/mpi/services.h"
#include "proto/local.pb.h"
#include "proto/rendezvous.pb.h"

namespace muster::mpi {

struct NodeServiceOptions {
  std::string run_id;
  uint32_t node_rank = 0;
  std::vector<Peer> peers;  // by node rank
  uint32_t first_rank = 0;  // of this node
  uint32_t workers = 1;     // of this node
  Version version;          // of Open MPI
  std::string network;      // see MpirunOptions; "" for unknown
  std::vector<std::string> mpirun_arguments;  // --mpi-arg
  // For mpirun and its daemons, and where their ranks' begin.
  Environment environment;
  std::string program;  // this very executable
  // Where this process is: commands from elsewhere run here.
  std::string working_directory;
};

// All are called on the loop, never inside a call.
struct NodeServiceCallbacks {
  std::function<void(RemoteFrame)> send_frame;
  std::function<void(const ServiceEnded&)> on_service_ended;
  // Open MPI starts this rank, which is one of this node and new.
  std::function<void(const RankStart&)> on_rank_start;
  // A line that mpirun has said.
  std::function<void(const std::string&)> on_line;
  // After Release(): no service of this node is left.
  std::function<void()> on_idle;
};

// Job: see above. A rank's process is first a shim (rank_shim.h), which asks
// for the rank to be started by the agent and ends as the rank has ended; when
// it hears of that is rank_door.h's to decide.
// Life cycle: Start; Release() once all ranks of the job have ended, then
// on_idle. Destruction removes the directory; processes are the keeper's.
// Threads: the loop's only. Ownership: the loop must outlive this.
class NodeService {
 public:
  // Errors: Unavailable, when the node gives no socket or directory.
  static absl::StatusOr<std::unique_ptr<NodeService>> Start(
      asio::io_context& loop, ServiceKeeper keeper, NodeServiceOptions options,
      NodeServiceCallbacks callbacks);
  ~NodeService();

  // From the session.
  void Received(const RemoteFrame& frame);
  void RankEnded(uint32_t rank, const muster::RankEnded& status);
  // No rank is started any more; those whose shims come will be told so.
  void CloseDoor();
  // With `failed` the services are killed: what they still do is of no use,
  // and mpirun needs seconds to notice that.
  void Release(bool failed);

  // Where Open MPI keeps its files; see node_directory.h.
  const std::string& directory() const { return directory_->path(); }

 private:
  NodeService(asio::io_context& loop, ServiceKeeper keeper,
              NodeServiceOptions options,
              std::unique_ptr<NodeDirectory> directory,
              const std::string& socket_name, NodeServiceCallbacks callbacks);

  absl::Status Listen(const std::string& socket_name);
  void StartMpirun();
  void GotLines(absl::string_view bytes);
  void GotRequest(LocalServer::Peer peer, const LocalRequest& request);
  void StartRank(LocalServer::Peer peer, const RankStart& start);
  void OpenRemote(LocalServer::Peer peer, const RemoteOpen& open);
  // The reply is the last.
  void Conclude(LocalServer::Peer peer, const LocalReply& reply);
  void Refuse(LocalServer::Peer peer, const absl::Status& why);
  void Tell(const RankDoor::Answer& answer);
  void Send(std::vector<RemoteFrame> frames);
  void ServiceOver(uint32_t id);

  asio::io_context& loop_;
  const ServiceKeeper keeper_;
  const NodeServiceOptions options_;
  const NodeServiceCallbacks callbacks_;
  const std::unique_ptr<NodeDirectory> directory_;
  const Environment environment_;  // of this node's services
  RankDoor door_;
  RemoteCalls calls_;
  RemoteCommands commands_;
  std::unique_ptr<LocalServer> server_;
  uint32_t next_id_ = kFirstServiceId;
  std::unique_ptr<ServiceCommand> mpirun_;
  std::string mpirun_line_;
  // Processes that have not ended: mpirun, and daemons for other nodes.
  std::set<uint32_t> services_;
  bool released_ = false;
};

}  // namespace muster::mpi

#endif  // MUSTER_LAUNCHER_MPI_NODE_SERVICE_H_
