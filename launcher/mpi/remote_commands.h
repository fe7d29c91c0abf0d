// The commands that run on this node for others.
#ifndef MUSTER_LAUNCHER_MPI_REMOTE_COMMANDS_H_
#define MUSTER_LAUNCHER_MPI_REMOTE_COMMANDS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "asio/io_context.hpp"
#include "launcher/mpi/service_command.h"
#include "launcher/mpi/services.h"
#include "proto/rendezvous.pb.h"

namespace muster::mpi {

// Job: starts what the requests of other nodes' `muster rsh` say, and sends
// back what comes of it. Open MPI's daemons are such commands.
// Life cycle: construct, Start and Handle as frames come; destruction leaves
// the processes to the keeper.
// Threads: the loop's only; callbacks come there, never inside a call.
// Ownership: the loop and the environment must outlive this.
class RemoteCommands {
 public:
  struct Callbacks {
    std::function<void(RemoteFrame)> send_frame;
    std::function<void(const ServiceEnded&)> on_daemon_ended;
    // The command with this id is over, with all its output.
    std::function<void(uint32_t id)> on_over;
  };

  // `own` is the environment that services of this node have.
  RemoteCommands(asio::io_context& loop, ServiceKeeper keeper,
                 const Environment& own, Callbacks callbacks);
  ~RemoteCommands();

  // `frame` is a request with a start; `id` is the process's in the keeper.
  // True where it is a daemon on which ranks of the job depend.
  bool Start(uint32_t id, const RemoteFrame& frame);
  // Any other request; one for a command that is over is dropped.
  void Handle(const RemoteFrame& frame);

 private:
  using Key = std::pair<uint32_t, uint64_t>;  // opener and exchange

  process::SpawnRequest RequestFor(const RemoteStart& start,
                                   const std::string& daemon) const;

  asio::io_context& loop_;
  const ServiceKeeper keeper_;
  const Environment& own_;
  const Callbacks callbacks_;
  std::map<Key, std::unique_ptr<ServiceCommand>> commands_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace muster::mpi

#endif  // MUSTER_LAUNCHER_MPI_REMOTE_COMMANDS_H_
