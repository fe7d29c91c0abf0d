#include "real_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "rendezvous/rejections.h"

namespace muster::rendezvous::test {
namespace {

constexpr int kPatienceMs = std::chrono::milliseconds(kPatience).count();

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

int ConnectTo(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  EXPECT_EQ(
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
      0)
      << strerror(errno);
  return fd;
}

class EchoReactor
    : public grpc::ServerBidiReactor<AgentMessage, CoordinatorMessage> {
 public:
  EchoReactor(std::string peer, Events* ended)
      : peer_(std::move(peer)), ended_(ended) {
    StartRead(&message_);
  }
  void OnReadDone(bool ok) override {
    if (!ok) {
      Finish(grpc::Status::OK);
      return;
    }
    answer_.mutable_notice()->set_text(peer_);
    StartWrite(&answer_);
  }
  void OnWriteDone(bool ok) override {
    if (ok)
      StartRead(&message_);
    else
      Finish(grpc::Status::CANCELLED);
  }
  void OnDone() override {
    ended_->Add(peer_);
    delete this;
  }

 private:
  const std::string peer_;
  Events* const ended_;
  AgentMessage message_;
  CoordinatorMessage answer_;
};

}  // namespace

void Events::Add(const std::string& event) {
  std::lock_guard<std::mutex> lock(mutex_);
  events_.push_back(event);
  changed_.notify_all();
}

std::vector<std::string> Events::All() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return events_;
}

bool Events::WaitFor(
    const std::function<bool(const std::vector<std::string>&)>& done) const {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return done(events_); });
}

bool Events::WaitFor(const std::string& event) const {
  return WaitFor([&](const std::vector<std::string>& all) {
    return std::find(all.begin(), all.end(), event) != all.end();
  });
}

bool Events::WaitForCount(size_t count) const {
  return WaitFor([&](const auto& all) { return all.size() >= count; });
}

grpc::ServerBidiReactor<AgentMessage, CoordinatorMessage>* EchoService::Join(
    grpc::CallbackServerContext* context) {
  return new EchoReactor(context->peer(), &ended_);
}

RealServer::RealServer(const Credentials& credentials,
                       const TransportSettings& settings,
                       const std::string& address, int port) {
  TakeOverGrpcLog();
  absl::StatusOr<ListeningServer> listening =
      Listen(address, port, credentials, {&service_}, settings);
  EXPECT_TRUE(listening.ok()) << listening.status();
  if (listening.ok()) listening_ = *std::move(listening);
}

RealServer::~RealServer() {
  if (listening_.server == nullptr) return;
  listening_.server->Shutdown(std::chrono::system_clock::now());
  listening_.server->Wait();
}

Client::Client(const std::shared_ptr<grpc::Channel>& channel,
               std::chrono::milliseconds deadline)
    : stub_(Rendezvous::NewStub(channel)) {
  context_.set_deadline(std::chrono::system_clock::now() + deadline);
}

Client::~Client() {
  if (stream_ == nullptr || finished_) return;
  context_.TryCancel();
  Finish();
}

void Client::Start() {
  if (stream_ == nullptr) stream_ = stub_->Join(&context_);
}

std::string Client::Echo(const AgentMessage& message) {
  Start();
  CoordinatorMessage answer;
  if (!stream_->Write(message) || !stream_->Read(&answer)) return "";
  return answer.notice().text();
}

grpc::Status Client::Finish() {
  Start();
  finished_ = true;
  stream_->WritesDone();
  CoordinatorMessage answer;
  while (stream_->Read(&answer)) {
  }
  return stream_->Finish();
}

grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel,
                  std::chrono::milliseconds deadline) {
  Client client(channel, deadline);
  client.context().set_wait_for_ready(true);
  client.Echo();
  return client.Finish();
}

RawListener::RawListener(int backlog)
    : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  // So that a real server can follow on the same port.
  const int on = 1;
  setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(listen(fd_, backlog), 0);
  getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
}

RawListener::~RawListener() { close(fd_); }

bool RawListener::AcceptAndClose() const {
  pollfd entry = {fd_, POLLIN, 0};
  if (poll(&entry, 1, kPatienceMs) != 1) return false;
  const int connection = accept(fd_, nullptr, nullptr);
  close(connection);
  return connection >= 0;
}

RawClient::RawClient(int port) : fd_(ConnectTo(port)) {}

RawClient::~RawClient() { close(fd_); }

void RawClient::Send(const std::string& bytes) const {
  EXPECT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
}

std::string RawClient::ReadToEnd() const {
  std::string all;
  char buffer[4096];
  pollfd entry = {fd_, POLLIN, 0};
  while (true) {
    if (poll(&entry, 1, kPatienceMs) != 1) {
      ADD_FAILURE() << "the peer did not close";
      return all;
    }
    const ssize_t n = recv(fd_, buffer, sizeof(buffer), 0);
    if (n <= 0) return all;
    all.append(buffer, static_cast<size_t>(n));
  }
}

Proxy::Proxy(int server_port) : server_port_(server_port) {
  EXPECT_EQ(pipe(wake_), 0);
  thread_ = std::thread([this] { Run(); });
}

Proxy::~Proxy() {
  close(wake_[1]);
  thread_.join();
  close(wake_[0]);
}

void Proxy::FallSilent() {
  std::lock_guard<std::mutex> lock(mutex_);
  silent_ = true;
}

bool Proxy::WaitForBytesUp(size_t count) const {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, kPatience, [&] { return bytes_up_ >= count; });
}

size_t Proxy::bytes_up() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return bytes_up_;
}

void Proxy::Run() {
  std::map<int, int> far_side;  // of every connection there was
  std::set<int> open;           // those that still have something to say
  std::set<int> clients;
  while (true) {
    std::vector<pollfd> entries = {{wake_[0], POLLIN, 0},
                                   {listener_.fd(), POLLIN, 0}};
    for (int fd : open) entries.push_back({fd, POLLIN, 0});
    poll(entries.data(), entries.size(), -1);
    if (entries[0].revents != 0) break;
    if (entries[1].revents != 0) {
      const int client = accept(listener_.fd(), nullptr, nullptr);
      const int server = ConnectTo(server_port_);
      far_side[client] = server;
      far_side[server] = client;
      open.insert({client, server});
      clients.insert(client);
    }
    for (size_t i = 2; i < entries.size(); ++i) {
      if (entries[i].revents == 0) continue;
      const int fd = entries[i].fd;
      char buffer[65536];
      const ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
      if (n <= 0) open.erase(fd);
      std::lock_guard<std::mutex> lock(mutex_);
      if (silent_) continue;
      if (n <= 0) {
        shutdown(far_side[fd], SHUT_RDWR);
        continue;
      }
      send(far_side[fd], buffer, static_cast<size_t>(n), MSG_NOSIGNAL);
      if (clients.contains(fd)) bytes_up_ += static_cast<size_t>(n);
      changed_.notify_all();
    }
  }
  for (const auto& [fd, far] : far_side) close(fd);
}

}  // namespace muster::rendezvous::test
