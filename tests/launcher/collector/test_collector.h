// A real collector in the test's own process: a store, a service and a server
// on a loopback port.
#ifndef MUSTER_TESTS_LAUNCHER_COLLECTOR_TEST_COLLECTOR_H_
#define MUSTER_TESTS_LAUNCHER_COLLECTOR_TEST_COLLECTOR_H_

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "launcher/collector/collector_service.h"
#include "rendezvous/credentials.h"
#include "rendezvous/transport.h"
#include "tests/launcher/collector/files.h"
#include "tests/launcher/collector/logs_client.h"
#include "tests/launcher/collector/mailbox.h"

namespace muster::collector {

class TestCollector {
 public:
  explicit TestCollector(const std::string& directory,
                         RunStore::Options store_options = {},
                         CollectorOptions options = {}) {
    store_options.directory = directory;
    auto store = RunStore::Open(store_options);
    if (!store.ok()) Die(store.status());
    options.on_run_begins = [this](const std::string& run, bool is_new) {
      events_.Add((is_new ? "new " : "again ") + run);
    };
    options.on_run_over = [this](const std::string& run, const LogTotals&) {
      events_.Add("over " + run);
    };
    options.on_problem = [this](const std::string&, const absl::Status& why) {
      problems_.Add(why);
    };
    options.on_fatal = [this](const absl::Status& why) { fatal_.Add(why); };
    service_ = std::make_unique<CollectorService>(*std::move(store),
                                                  std::move(options));
    auto listening = rendezvous::Listen(
        "127.0.0.1", 0, rendezvous::Credentials::Insecure(), {service_.get()});
    if (!listening.ok()) Die(listening.status());
    server_ = std::move(listening->server);
    port_ = listening->port;
  }
  ~TestCollector() { Stop(); }

  void Stop() {
    if (service_) service_->Shutdown();
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
    service_.reset();
  }

  std::shared_ptr<grpc::Channel> Channel() { return OpenChannel(port_); }
  CollectorService& service() { return *service_; }
  Mailbox<std::string>& events() { return events_; }
  Mailbox<absl::Status>& problems() { return problems_; }
  Mailbox<absl::Status>& fatal() { return fatal_; }

 private:
  static void Die(const absl::Status& why) {
    std::cerr << why << std::endl;
    std::abort();
  }

  Mailbox<std::string> events_;
  Mailbox<absl::Status> problems_;
  Mailbox<absl::Status> fatal_;
  std::unique_ptr<CollectorService> service_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace muster::collector

#endif  // MUSTER_TESTS_LAUNCHER_COLLECTOR_TEST_COLLECTOR_H_
