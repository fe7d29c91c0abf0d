#include "launcher/task_ports.h"

#include <sys/socket.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "env/hardware/ports.h"
#include "rendezvous/task_layout.h"

namespace muster::launcher {
namespace {

constexpr uint32_t kLastPort = 65535;

absl::StatusOr<env::HeldPort> Hold(uint32_t base_port, uint32_t offset) {
  if (base_port == 0) return env::HeldPort::Bind();
  if (base_port + offset > kLastPort) {
    return absl::InvalidArgumentError(
        absl::StrCat("--base-port ", base_port,
                     " leaves no port below 65536; "
                     "choose a lower one"));
  }
  return env::HeldPort::BindTo(static_cast<uint16_t>(base_port + offset));
}

asio::ip::tcp ProtocolOf(int fd) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return address.ss_family == AF_INET6 ? asio::ip::tcp::v6()
                                       : asio::ip::tcp::v4();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TaskPorts>> TaskPorts::Listen(
    asio::io_context& loop,
    const google::protobuf::RepeatedPtrField<Task>& tasks, uint32_t base_port) {
  auto ports = std::make_unique<TaskPorts>();
  uint32_t offset = 0;
  for (const Task& task : tasks) {
    const std::string name = rendezvous::TaskName(task.role(), task.index());
    absl::StatusOr<env::HeldPort> held = Hold(base_port, offset++);
    if (!held.ok()) {
      return absl::Status(
          held.status().code(),
          absl::StrCat("no port for ", name, ": ", held.status().message()));
    }
    auto acceptor = std::make_shared<Acceptor>(loop);
    const int fd = held->ReleaseFd();
    acceptor->assign(ProtocolOf(fd), fd);
    asio::error_code error;
    acceptor->listen(Acceptor::max_listen_connections, error);
    if (error) {
      return absl::UnavailableError(
          absl::StrCat("no port for ", name, ": listen: ", error.message()));
    }
    Accept(acceptor);
    ports->acceptors_.push_back(std::move(acceptor));
  }
  return ports;
}

TaskPorts::~TaskPorts() {
  asio::error_code ignored;
  for (const auto& acceptor : acceptors_) acceptor->close(ignored);
}

void TaskPorts::Accept(const std::shared_ptr<Acceptor>& acceptor) {
  acceptor->async_accept(
      [acceptor](const asio::error_code& error, asio::ip::tcp::socket peer) {
        // Out of descriptors, say: the kernel's queue still answers.
        if (error || !acceptor->is_open()) return;
        asio::error_code ignored;
        peer.set_option(asio::socket_base::linger(true, 0), ignored);
        peer.close(ignored);  // asio's destructor does not linger
        Accept(acceptor);
      });
}

std::vector<uint16_t> TaskPorts::ports() const {
  std::vector<uint16_t> ports;
  for (const auto& acceptor : acceptors_) {
    ports.push_back(acceptor->local_endpoint().port());
  }
  return ports;
}

std::vector<int> TaskPorts::Release() {
  std::vector<int> sockets;
  for (const auto& acceptor : acceptors_) {
    const int fd = acceptor->release();
    // The kernel takes that as: no longer listening, still bound.
    shutdown(fd, SHUT_RD);
    sockets.push_back(fd);
  }
  acceptors_.clear();
  return sockets;
}

}  // namespace muster::launcher
