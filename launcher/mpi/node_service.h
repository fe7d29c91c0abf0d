// What Open MPI needs of one node: mpirun on the first, `muster rsh` to and
// from everywhere, and the start of the ranks.
#ifndef MUSTER_LAUNCHER_MPI_NODE_SERVICE_H_
#define MUSTER_LAUNCHER_MPI_NODE_SERVICE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "asio/io_context.hpp"
#include "launcher/mpi/local_server.h"
#include "launcher/mpi/mpirun.h"
#include "launcher/mpi/service_command.h"
#include "launcher/mpi/services.h"
#include "proto/local.pb.h"
#include "proto/rendezvous.pb.h"

namespace muster::mpi {

using Environment = std::map<std::string, std::string>;

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
// for the rank to be started by the agent and ends as the rank has ended. But
// how a rank has failed is told to the shims only after Release(), for mpirun
// kills the others as soon as it knows.
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

  // A directory of this node's own, for what Open MPI keeps in memory. Two
  // nodes on one host must not share it.
  const std::string& directory() const { return directory_; }

 private:
  // One `muster rsh` of this node.
  struct Opening {
    LocalServer::Peer peer;
    uint32_t executor;
  };
  // A command that runs here for somebody else: by opener and exchange.
  using Execution = std::pair<uint32_t, uint64_t>;

  NodeService(asio::io_context& loop, ServiceKeeper keeper,
              NodeServiceOptions options, NodeServiceCallbacks callbacks);
  absl::Status Open();
  Environment ServiceEnvironment() const;
  void StartMpirun();
  void GotLines(absl::string_view bytes);

  void GotRequest(LocalServer::Peer peer, const LocalRequest& request);
  void PeerClosed(LocalServer::Peer peer);
  RemoteFrame FrameFor(uint64_t exchange, const Opening& opening) const;
  void OpenRemote(LocalServer::Peer peer, const RemoteOpen& open);
  void StartRank(LocalServer::Peer peer, const RankStart& start);
  void Refuse(LocalServer::Peer peer, const std::string& why);
  void TellShim(LocalServer::Peer peer, const muster::RankEnded& status);

  void Execute(const RemoteFrame& frame);
  void ServiceOver(uint32_t id);
  uint32_t NextId() { return next_id_++; }

  asio::io_context& loop_;
  const ServiceKeeper keeper_;
  const NodeServiceOptions options_;
  const NodeServiceCallbacks callbacks_;
  std::string directory_;
  std::string socket_name_;
  std::unique_ptr<LocalServer> server_;
  uint32_t next_id_ = kFirstServiceId;
  uint64_t last_exchange_ = 0;
  std::map<uint64_t, Opening> openings_;  // by exchange
  std::map<Execution, std::unique_ptr<ServiceCommand>> executions_;
  std::unique_ptr<ServiceCommand> mpirun_;
  std::string mpirun_line_;
  struct Rank {
    LocalServer::Peer peer = 0;
    std::optional<muster::RankEnded> ended;
  };
  std::map<uint32_t, Rank> ranks_;  // those whose shims have come
  // Processes that have not ended: mpirun, and daemons for other nodes.
  std::set<uint32_t> services_;
  bool closed_ = false;
  bool released_ = false;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace muster::mpi

#endif  // MUSTER_LAUNCHER_MPI_NODE_SERVICE_H_
