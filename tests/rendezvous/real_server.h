// A small real service, and peers that do not behave, for the tests of
// transport, reach and rejections.
#ifndef MUSTER_TESTS_RENDEZVOUS_REAL_SERVER_H_
#define MUSTER_TESTS_RENDEZVOUS_REAL_SERVER_H_

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "proto/rendezvous.grpc.pb.h"
#include "rendezvous/transport.h"

namespace muster::rendezvous::test {

// Far longer than anything that works needs, short of the test's own limit.
inline constexpr std::chrono::seconds kPatience{20};

// Things that happened, in order, on any thread.
class Events {
 public:
  void Add(const std::string& event);
  std::vector<std::string> All() const;
  // Whether `done` becomes true of the events within kPatience.
  bool WaitFor(
      const std::function<bool(const std::vector<std::string>&)>& done) const;
  bool WaitFor(const std::string& event) const;
  bool WaitForCount(size_t count) const;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<std::string> events_;
};

// Answers each message with a Notice that names the peer, as the server sees
// it, and ends when the peer is done.
class EchoService : public Rendezvous::CallbackService {
 public:
  grpc::ServerBidiReactor<AgentMessage, CoordinatorMessage>* Join(
      grpc::CallbackServerContext* context) override;

  Events& ended() { return ended_; }  // peers whose stream ended

 private:
  Events ended_;
};

// A service on a free port of `address`, with `credentials`.
class RealServer {
 public:
  explicit RealServer(const Credentials& credentials,
                      const TransportSettings& settings = {},
                      const std::string& address = "127.0.0.1", int port = 0);
  ~RealServer();

  int port() const { return listening_.port; }
  EchoService& service() { return service_; }

 private:
  EchoService service_;
  ListeningServer listening_;
};

// One stream, held open until it is destroyed.
class Client {
 public:
  explicit Client(const std::shared_ptr<grpc::Channel>& channel,
                  std::chrono::milliseconds deadline = kPatience);
  ~Client();

  // Sends `message` and returns the answer, or "" when there is none.
  std::string Echo(const AgentMessage& message = {});
  // Waits for the end of the stream.
  grpc::Status Finish();
  grpc::ClientContext& context() { return context_; }

 private:
  void Start();

  std::unique_ptr<Rendezvous::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<AgentMessage, CoordinatorMessage>>
      stream_;
  bool finished_ = false;
};

// The end of one exchange over `channel`, which waits for the connection.
grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel,
                  std::chrono::milliseconds deadline = kPatience);

// A listening socket, from which nobody accepts unasked; `backlog` as of
// listen(2).
class RawListener {
 public:
  explicit RawListener(int backlog = 16);
  ~RawListener();
  int fd() const { return fd_; }
  int port() const { return port_; }
  // Takes one connection and closes it; false when none came in kPatience.
  bool AcceptAndClose() const;

 private:
  int fd_;
  int port_ = 0;
};

// A connected TCP socket to 127.0.0.1, closed by its destructor.
class RawClient {
 public:
  explicit RawClient(int port);
  ~RawClient();
  void Send(const std::string& bytes) const;
  // All that comes until the peer closes.
  std::string ReadToEnd() const;

 private:
  int fd_;
};

// Passes bytes between its own port and a server until it is told to fall
// silent; then it keeps the connections open and passes nothing.
class Proxy {
 public:
  explicit Proxy(int server_port);
  ~Proxy();
  int port() const { return listener_.port(); }
  void FallSilent();
  // Bytes from clients to the server so far.
  bool WaitForBytesUp(size_t count) const;
  size_t bytes_up() const;

 private:
  void Run();

  const int server_port_;
  RawListener listener_;
  int wake_[2];
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool silent_ = false;
  size_t bytes_up_ = 0;
  std::thread thread_;
};

}  // namespace muster::rendezvous::test

#endif  // MUSTER_TESTS_RENDEZVOUS_REAL_SERVER_H_
