// The agent's ear for processes of its own node.
#ifndef MUSTER_LAUNCHER_MPI_LOCAL_SERVER_H_
#define MUSTER_LAUNCHER_MPI_LOCAL_SERVER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "asio/io_context.hpp"
#include "asio/local/stream_protocol.hpp"
#include "asio/steady_timer.hpp"
#include "proto/local.pb.h"

namespace muster::mpi {

// Job: accepts `muster rsh` and the ranks' shims, and passes their requests on.
// Who has another user id than this process is told so and turned away.
// Life cycle: Listen, serve until destroyed, which hangs up on everybody.
// Threads: the loop's only; the callbacks come there, never inside a call.
// Ownership: the loop must outlive this.
// Bounds: a connection has at most one frame under way inwards; outwards it
// is up to the callers, whose traffic has windows.
class LocalServer {
 public:
  using Peer = uint64_t;  // one connection

  struct Callbacks {
    std::function<void(Peer, const LocalRequest&)> on_request;
    // It hung up, or sent what is no request. Not called after Close().
    std::function<void(Peer)> on_closed;
  };

  // `name` is that of an abstract socket; see local_socket.h.
  // Errors: Unavailable, when the socket can't be had.
  static absl::StatusOr<std::unique_ptr<LocalServer>> Listen(
      asio::io_context& loop, const std::string& name, Callbacks callbacks);
  ~LocalServer();

  // Does nothing for a peer that has hung up.
  void Send(Peer peer, const LocalReply& reply);
  // Hangs up once everything sent before is written.
  void Close(Peer peer);

 private:
  class Connection;

  LocalServer(asio::io_context& loop, Callbacks callbacks);
  void Accept();
  void Admit(asio::local::stream_protocol::socket socket);

  const Callbacks callbacks_;
  asio::local::stream_protocol::acceptor acceptor_;
  asio::steady_timer retry_;
  Peer last_peer_ = 0;
  std::map<Peer, std::shared_ptr<Connection>> connections_;
  // Lets operations find out that this is gone.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace muster::mpi

#endif  // MUSTER_LAUNCHER_MPI_LOCAL_SERVER_H_
