// A real History service on a loopback port, for tests.
#ifndef MUSTER_TESTS_LAUNCHER_HISTORY_SERVER_H_
#define MUSTER_TESTS_LAUNCHER_HISTORY_SERVER_H_

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "grpcpp/channel.h"
#include "grpcpp/server.h"
#include "launcher/history/history_service.h"
#include "rendezvous/credentials.h"
#include "rendezvous/transport.h"

namespace muster::history {

class TestServer {
 public:
  explicit TestServer(
      HistoryOptions options,
      rendezvous::Credentials credentials = rendezvous::Credentials::Insecure())
      : options_(std::move(options)), credentials_(std::move(credentials)) {
    Start();
  }
  ~TestServer() { Stop(); }

  // Again on the same port.
  void Start() {
    service_ = std::make_unique<HistoryService>(options_);
    auto listening =
        rendezvous::Listen("127.0.0.1", port_, credentials_, {service_.get()});
    if (!listening.ok()) abort();
    server_ = std::move(listening->server);
    port_ = listening->port;
  }
  // As a collector leaves.
  void Stop() {
    if (!server_) return;
    server_->Shutdown(std::chrono::system_clock::now());
    service_->Shutdown();
    server_.reset();
    service_.reset();
  }

  int port() const { return port_; }
  HistoryService& service() { return *service_; }
  std::shared_ptr<grpc::Channel> Channel() const {
    rendezvous::TransportSettings settings;
    settings.last_backoff = std::chrono::milliseconds(250);
    return rendezvous::Dial("127.0.0.1", port_, credentials_,
                            rendezvous::ChannelUse::kBulk, settings);
  }

 private:
  const HistoryOptions options_;
  const rendezvous::Credentials credentials_;
  int port_ = 0;
  std::unique_ptr<HistoryService> service_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace muster::history

#endif  // MUSTER_TESTS_LAUNCHER_HISTORY_SERVER_H_
