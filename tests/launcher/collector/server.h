// A real collector for tests: a server on a loopback port, a run directory,
// and a console that can be read, or left unread to make the collector slow.
#ifndef MUSTER_TESTS_LAUNCHER_COLLECTOR_SERVER_H_
#define MUSTER_TESTS_LAUNCHER_COLLECTOR_SERVER_H_

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "launcher/collector/deliver_service.h"
#include "tests/launcher/collector/files.h"

namespace muster::collector {

constexpr std::chrono::seconds kDeadline(30);

// Values that another thread adds and the test waits for.
template <typename T>
class Mailbox {
 public:
  void Add(T value) {
    const std::lock_guard<std::mutex> lock(mutex_);
    values_.push_back(std::move(value));
    changed_.notify_all();
  }

  // The first `count` values, or fewer when the deadline is over.
  std::vector<T> Wait(size_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, kDeadline, [&] { return values_.size() >= count; });
    return values_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<T> values_;
};

// The console: a pipe that is read from Read() on.
class ConsolePipe {
 public:
  ConsolePipe() {
    if (pipe2(ends_, O_CLOEXEC) != 0) abort();
  }
  ~ConsolePipe() { Close(); }

  int fd() const { return ends_[1]; }

  void Read() {
    if (reader_.joinable()) return;
    reader_ = std::thread([this] {
      char buffer[4096];
      for (ssize_t n; (n = read(ends_[0], buffer, sizeof(buffer))) > 0;) {
        const std::lock_guard<std::mutex> lock(mutex_);
        text_.append(buffer, static_cast<size_t>(n));
        changed_.notify_all();
      }
    });
  }

  bool WaitFor(const std::string& part) {
    Read();
    std::unique_lock<std::mutex> lock(mutex_);
    return changed_.wait_for(
        lock, kDeadline, [&] { return text_.find(part) != std::string::npos; });
  }

  // Everything; the collector must be gone.
  std::string Close() {
    Read();
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
    if (reader_.joinable()) reader_.join();
    if (ends_[0] >= 0) close(ends_[0]);
    ends_[0] = -1;
    return text_;
  }

 private:
  int ends_[2];
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;
  std::thread reader_;
};

struct Broken {
  uint32_t node;
  absl::Status why;
};

class TestServer {
 public:
  explicit TestServer(std::shared_ptr<RunDirectory> run = nullptr) {
    run_ = run != nullptr ? std::move(run)
                          : std::shared_ptr<RunDirectory>(
                                *RunDirectory::Create(base_ / "runs", "run"));
    DeliverOptions options;
    options.console_fd = console_.fd();
    options.on_delivery_broken = [this](uint32_t node,
                                        const absl::Status& why) {
      broken_.Add({node, why});
    };
    service_ = std::make_unique<DeliverService>(run_, std::move(options));
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port_);
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
  }
  ~TestServer() { Stop(); }

  // A connection of its own for each channel.
  std::shared_ptr<grpc::Channel> Channel() {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port_),
                                     grpc::InsecureChannelCredentials(),
                                     arguments);
  }
  std::shared_ptr<grpc::Channel> InProcess() {
    return server_->InProcessChannel(grpc::ChannelArguments());
  }

  // Cuts every connection to this server, as a dead network would be noticed.
  void CutConnections() {
    for (int fd = 3; fd < 1024; ++fd) {
      sockaddr_in6 peer = {};
      socklen_t size = sizeof(peer);
      if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
          (peer.sin6_family == AF_INET || peer.sin6_family == AF_INET6) &&
          ntohs(peer.sin6_port) == port_) {
        shutdown(fd, SHUT_RDWR);
      }
    }
  }

  // Ends the server; what it printed.
  std::string Stop() {
    console_.Read();
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
    if (service_ != nullptr) service_->Shutdown();
    server_.reset();
    service_.reset();
    return console_.Close();
  }

  DeliverService& service() { return *service_; }
  ConsolePipe& console() { return console_; }
  Mailbox<Broken>& broken() { return broken_; }
  RunDirectory& run() { return *run_; }
  const TempDir& base() const { return base_; }
  std::string In(const std::string& name) const {
    return run_->path() + "/" + name;
  }

 private:
  TempDir base_;
  ConsolePipe console_;
  Mailbox<Broken> broken_;
  std::shared_ptr<RunDirectory> run_;
  std::unique_ptr<DeliverService> service_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace muster::collector

#endif  // MUSTER_TESTS_LAUNCHER_COLLECTOR_SERVER_H_
