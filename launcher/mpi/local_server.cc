#include "launcher/mpi/local_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "launcher/mpi/local_socket.h"
#include "launcher/process/wire.h"

namespace muster::mpi {
namespace {

using asio::local::stream_protocol;
using process::FrameReader;
using process::FrameWriter;

constexpr std::chrono::milliseconds kAcceptRetry{50};

// The user of the process at the other end.
bool IsOurUser(int socket) {
  ucred peer = {};
  socklen_t size = sizeof peer;
  return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         peer.uid == geteuid();
}

}  // namespace

class LocalServer::Connection
    : public std::enable_shared_from_this<Connection> {
 public:
  using OnRequest = std::function<void(const LocalRequest&)>;
  using OnClosed = std::function<void()>;

  Connection(stream_protocol::socket socket, OnRequest on_request,
             OnClosed on_closed)
      : socket_(std::move(socket)),
        on_request_(std::move(on_request)),
        on_closed_(std::move(on_closed)) {
    socket_.native_non_blocking(true);
  }

  void Read() {
    socket_.async_wait(stream_protocol::socket::wait_read,
                       [self = shared_from_this()](asio::error_code error) {
                         if (!error) self->ReadFrames();
                       });
  }

  void Send(const LocalReply& reply) {
    writer_.Push(ToFrame(reply));
    if (!writing_) Flush();
  }

  // The last reply may still be on its way: the end comes after it.
  void Close() {
    closing_ = true;
    if (!writing_) Shut();
  }

 private:
  void ReadFrames() {
    while (!closing_) {
      process::Frame frame;
      switch (reader_.Next(socket_.native_handle(), &frame)) {
        case FrameReader::Result::kWouldBlock:
          return Read();
        case FrameReader::Result::kFrame: {
          LocalRequest request;
          if (FromFrame(frame, &request)) {
            on_request_(request);
            break;
          }
          [[fallthrough]];
        }
        case FrameReader::Result::kEnd:
        case FrameReader::Result::kBroken:
          Shut();
          return on_closed_();
      }
    }
  }

  void Flush() {
    if (!socket_.is_open()) return;
    const FrameWriter::Result result = writer_.Flush(socket_.native_handle());
    writing_ = result == FrameWriter::Result::kBlocked;
    if (writing_) {
      socket_.async_wait(stream_protocol::socket::wait_write,
                         [self = shared_from_this()](asio::error_code error) {
                           if (!error) self->Flush();
                         });
    } else if (closing_) {
      Shut();
    }
  }

  void Shut() {
    closing_ = true;
    asio::error_code ignored;
    socket_.close(ignored);
  }

  stream_protocol::socket socket_;
  const OnRequest on_request_;
  const OnClosed on_closed_;
  FrameReader reader_;
  FrameWriter writer_;
  bool writing_ = false;
  bool closing_ = false;
};

LocalServer::LocalServer(asio::io_context& loop, Callbacks callbacks)
    : callbacks_(std::move(callbacks)), acceptor_(loop), retry_(loop) {}

LocalServer::~LocalServer() {
  *alive_ = false;
  for (const auto& [peer, connection] : connections_) connection->Close();
}

absl::StatusOr<std::unique_ptr<LocalServer>> LocalServer::Listen(
    asio::io_context& loop, const std::string& name, Callbacks callbacks) {
  std::unique_ptr<LocalServer> server(
      new LocalServer(loop, std::move(callbacks)));
  const stream_protocol::endpoint endpoint(std::string(1, '\0') + name);
  asio::error_code error;
  server->acceptor_.open(endpoint.protocol(), error);
  if (!error) server->acceptor_.bind(endpoint, error);
  if (!error)
    server->acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return absl::UnavailableError(absl::StrCat(
        "no socket for the processes of this node: ", error.message()));
  }
  server->Accept();
  return server;
}

void LocalServer::Accept() {
  acceptor_.async_accept(
      [this, alive = alive_](asio::error_code error,
                             stream_protocol::socket socket) {
        if (!*alive || error == asio::error::operation_aborted) return;
        if (!error) {
          Admit(std::move(socket));
          Accept();
          return;
        }
        // Out of descriptors, most likely: some will be free again.
        retry_.expires_after(kAcceptRetry);
        retry_.async_wait([this, alive](asio::error_code stopped) {
          if (*alive && !stopped) Accept();
        });
      });
}

void LocalServer::Admit(stream_protocol::socket socket) {
  const Peer peer = ++last_peer_;
  const bool ours = IsOurUser(socket.native_handle());
  auto connection = std::make_shared<Connection>(
      std::move(socket),
      [this, alive = alive_, peer](const LocalRequest& request) {
        if (*alive) callbacks_.on_request(peer, request);
      },
      [this, alive = alive_, peer] {
        if (!*alive || connections_.erase(peer) == 0) return;
        callbacks_.on_closed(peer);
      });
  connections_[peer] = connection;
  if (ours) return connection->Read();
  LocalReply reply;
  reply.set_refused("only the user who runs this node's agent may talk to it");
  Send(peer, reply);
  Close(peer);
}

void LocalServer::Send(Peer peer, const LocalReply& reply) {
  const auto found = connections_.find(peer);
  if (found != connections_.end()) found->second->Send(reply);
}

void LocalServer::Close(Peer peer) {
  const auto found = connections_.find(peer);
  if (found == connections_.end()) return;
  const std::shared_ptr<Connection> connection = found->second;
  connections_.erase(found);
  connection->Close();
}

}  // namespace muster::mpi
