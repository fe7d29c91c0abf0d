// A real Collector.Files for tests: a server on a loopback port, and the
// directory of one run.
#ifndef MUSTER_TESTS_LAUNCHER_COLLECTOR_FILES_SERVER_H_
#define MUSTER_TESTS_LAUNCHER_COLLECTOR_FILES_SERVER_H_

#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "grpcpp/server.h"
#include "launcher/collector/files_service.h"
#include "proto/collector.grpc.pb.h"
#include "rendezvous/transport.h"

namespace muster::collector {

// What a run gives to its files.
struct TestRun {
  explicit TestRun(const std::string& directory, uint64_t quota_bytes = 0)
      : path(directory), quota(quota_bytes) {
    std::filesystem::create_directories(path + "/.muster");
    root = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    hidden =
        open((path + "/.muster").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    absl::StatusOr<std::unique_ptr<FileStore>> opened = FileStore::Open(
        {.root = root, .shown = path, .quota = &quota}, hidden, cache);
    if (!opened.ok()) abort();
    store = *std::move(opened);
  }
  ~TestRun() {
    store.reset();
    close(root);
    close(hidden);
  }
  TestRun(const TestRun&) = delete;
  TestRun& operator=(const TestRun&) = delete;

  const std::string path;
  Quota quota;
  FileCache cache{256};
  int root = -1;
  int hidden = -1;
  std::unique_ptr<FileStore> store;
};

class FilesServer {
 public:
  struct Options {
    int port = 0;
    uint64_t quota = 0;
    rendezvous::Credentials credentials = rendezvous::Credentials::Insecure();
  };

  explicit FilesServer(const std::string& directory)
      : FilesServer(directory, Options()) {}
  FilesServer(const std::string& directory, const Options& options)
      : run_(std::make_shared<TestRun>(directory, options.quota)),
        service_(FilesServiceOptions{
            .admit = [this](const Introduction& introduction)
                -> absl::StatusOr<std::shared_ptr<FileStore>> {
              if (introduction.run_id() != "run") {
                return absl::PermissionDeniedError("not this node's run");
              }
              return std::shared_ptr<FileStore>(run_, run_->store.get());
            }}),
        adapter_(service_) {
    auto listening = rendezvous::Listen("127.0.0.1", options.port,
                                        options.credentials, {&adapter_});
    if (!listening.ok()) abort();
    server_ = std::move(listening->server);
    port_ = listening->port;
  }
  ~FilesServer() {
    server_->Shutdown(std::chrono::system_clock::now());
    service_.Shutdown();
  }

  int port() const { return port_; }
  const std::string& path() const { return run_->path; }
  TestRun& run() { return *run_; }
  std::string In(const std::string& name) const { return path() + "/" + name; }

  std::shared_ptr<grpc::Channel> Channel() const {
    return rendezvous::Dial("127.0.0.1", port_,
                            rendezvous::Credentials::Insecure(),
                            rendezvous::ChannelUse::kBulk);
  }

 private:
  class Adapter final : public Collector::CallbackService {
   public:
    explicit Adapter(FilesService& files) : files_(files) {}
    grpc::ServerBidiReactor<FileUp, FileDown>* Files(
        grpc::CallbackServerContext* context) override {
      return files_.Files(context);
    }

   private:
    FilesService& files_;
  };

  std::shared_ptr<TestRun> run_;
  FilesService service_;
  Adapter adapter_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace muster::collector

#endif  // MUSTER_TESTS_LAUNCHER_COLLECTOR_FILES_SERVER_H_
