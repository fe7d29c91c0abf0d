#include "tests/support/fault_proxy/fault_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "tests/support/files.h"
#include "tests/support/subprocess.h"

namespace muster::test {
namespace {

// A blocking socket that closes itself.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {
    // A test that waits in vain fails with EAGAIN.
    const timeval limit = {.tv_sec = absl::ToInt64Seconds(kSoon), .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  }
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return fd_; }
  void Send(const std::string& bytes) const {
    size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t size =
          send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (size < 0) return;
      sent += static_cast<size_t>(size);
    }
  }
  // Until `size` bytes, the end, or an error, which is left in `error`.
  std::string Receive(size_t size, int* error = nullptr) const {
    std::string bytes(size, '\0');
    size_t done = 0;
    int ignored = 0;
    int& failure = error != nullptr ? *error : ignored;
    failure = 0;
    while (done < size) {
      const ssize_t got = recv(fd_, bytes.data() + done, size - done, 0);
      if (got < 0) failure = errno;
      if (got <= 0) break;
      done += static_cast<size_t>(got);
    }
    bytes.resize(done);
    return bytes;
  }
  // Whether something can be read now.
  bool HasInput() const {
    pollfd fd = {fd_, POLLIN, 0};
    return poll(&fd, 1, 0) == 1;
  }

 private:
  int fd_;
};

class FaultProxyTest : public ::testing::Test {
 protected:
  FaultProxyTest() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 16), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    server_port_ = ntohs(address.sin_port);
  }
  ~FaultProxyTest() override { close(listener_); }

  static sockaddr_in Loopback(uint16_t port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
  }

  // 0 or the errno of connect().
  static int TryToConnect(uint16_t port) {
    const Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = Loopback(port);
    return connect(socket.fd(), reinterpret_cast<sockaddr*>(&address),
                   sizeof(address)) == 0
               ? 0
               : errno;
  }

  static int Connected(uint16_t port) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = Loopback(port);
    EXPECT_EQ(
        connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return fd;
  }
  int Accepted() const {
    return accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  }

  int listener_ = -1;
  uint16_t server_port_ = 0;
};

std::string Bytes(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<char>((i * 2654435761) >> 13);
  }
  return bytes;
}

TEST_F(FaultProxyTest, PassesOnBothWaysAndCounts) {
  FaultProxy proxy({.port = server_port_});
  const Socket client(Connected(proxy.port()));
  const Socket server(Accepted());
  client.Send("question");
  EXPECT_EQ(server.Receive(8), "question");
  server.Send("answer");
  EXPECT_EQ(client.Receive(6), "answer");
  EXPECT_TRUE(proxy.WaitFor([](const ProxyCounts& counts) {
    return counts.up == 8 && counts.down == 6 && counts.connections == 1 &&
           counts.open == 1;
  }));
}

TEST_F(FaultProxyTest, PassesOnTheEndOfOneDirectionAlone) {
  FaultProxy proxy({.port = server_port_});
  const Socket client(Connected(proxy.port()));
  const Socket server(Accepted());
  client.Send("last words");
  shutdown(client.fd(), SHUT_WR);
  EXPECT_EQ(server.Receive(100), "last words");
  server.Send("heard");
  shutdown(server.fd(), SHUT_WR);
  EXPECT_EQ(client.Receive(100), "heard");
  EXPECT_TRUE(proxy.WaitFor(
      [](const ProxyCounts& counts) { return counts.open == 0; }));
}

TEST_F(FaultProxyTest, AltersNothingWhileItDelaysAndSlices) {
  FaultProxy proxy({.port = server_port_});
  proxy.Set({.delay = absl::Milliseconds(20), .slice = 7});
  const Socket client(Connected(proxy.port()));
  const Socket server(Accepted());
  const std::string bytes = Bytes(100'000);
  const absl::Time begin = absl::Now();
  std::thread sender([&] { client.Send(bytes); });
  EXPECT_EQ(server.Receive(bytes.size()), bytes);
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(20));
  sender.join();
}

TEST_F(FaultProxyTest, HoldsWhatIsStalledUntilItGoesOn) {
  FaultProxy proxy({.port = server_port_});
  const Socket client(Connected(proxy.port()));
  const Socket server(Accepted());
  proxy.Set({.stalls_up = true});
  client.Send("late");
  // The other direction is none of its business, and shows that the proxy had
  // its chance.
  server.Send("now");
  EXPECT_EQ(client.Receive(3), "now");
  EXPECT_FALSE(server.HasInput());
  EXPECT_EQ(proxy.counts().up, 0);
  proxy.Set({});
  EXPECT_EQ(server.Receive(4), "late");
}

TEST_F(FaultProxyTest, FillsTheSendersSocketWhileItIsStalled) {
  FaultProxy proxy({.port = server_port_});
  proxy.Set({.stalls_up = true});
  const Socket client(Connected(proxy.port()));
  const Socket server(Accepted());
  const std::string bytes(1 << 20, 'x');
  size_t sent = 0;
  ssize_t size = 0;
  while ((size = send(client.fd(), bytes.data(), bytes.size(), MSG_DONTWAIT)) >
         0) {
    sent += static_cast<size_t>(size);
  }
  EXPECT_EQ(errno, EAGAIN);
  proxy.Set({});
  EXPECT_EQ(server.Receive(sent).size(), sent);
}

TEST_F(FaultProxyTest, CutsRightBehindAByte) {
  FaultProxy proxy({.port = server_port_});
  const Socket client(Connected(proxy.port()));
  const Socket server(Accepted());
  proxy.CutAfter(12'345, Direction::kUp, Cut::kClose);
  const std::string bytes = Bytes(100'000);
  client.Send(bytes);
  EXPECT_EQ(server.Receive(bytes.size()), bytes.substr(0, 12'345));
  EXPECT_EQ(proxy.counts().up, 12'345);

  // Once: the next connection is left alone.
  const Socket again(Connected(proxy.port()));
  const Socket server_again(Accepted());
  again.Send(bytes);
  EXPECT_EQ(server_again.Receive(bytes.size()), bytes);
}

TEST_F(FaultProxyTest, ResetsBothEnds) {
  FaultProxy proxy({.port = server_port_});
  const Socket client(Connected(proxy.port()));
  const Socket server(Accepted());
  // There when the server's first byte is.
  server.Send("x");
  EXPECT_EQ(client.Receive(1), "x");
  proxy.CutAll(Cut::kReset);
  int error = 0;
  client.Receive(1, &error);
  EXPECT_EQ(error, ECONNRESET);
  server.Receive(1, &error);
  EXPECT_EQ(error, ECONNRESET);
  EXPECT_EQ(proxy.counts().open, 0);
}

TEST_F(FaultProxyTest, PassesOnAReset) {
  FaultProxy proxy({.port = server_port_});
  auto client = std::make_unique<Socket>(Connected(proxy.port()));
  const Socket server(Accepted());
  client->Send("x");
  EXPECT_EQ(server.Receive(1), "x");
  const linger at_once = {.l_onoff = 1, .l_linger = 0};
  setsockopt(client->fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  client.reset();
  int error = 0;
  server.Receive(1, &error);
  EXPECT_EQ(error, ECONNRESET);
}

TEST_F(FaultProxyTest, RefusesForAWhileAndKeepsItsPortAndItsConnections) {
  FaultProxy proxy({.port = server_port_});
  const Socket client(Connected(proxy.port()));
  const Socket server(Accepted());
  proxy.Refuse(true);
  EXPECT_EQ(TryToConnect(proxy.port()), ECONNREFUSED);
  client.Send("still here");
  EXPECT_EQ(server.Receive(10), "still here");
  proxy.Refuse(false);
  proxy.Refuse(false);
  EXPECT_EQ(TryToConnect(proxy.port()), 0);
}

TEST_F(FaultProxyTest, ResetsAClientWhoseServerIsNotThere) {
  FaultProxy proxy({.port = FreePort()});
  const Socket client(Connected(proxy.port()));
  int error = 0;
  EXPECT_EQ(client.Receive(1, &error), "");
  EXPECT_EQ(error, ECONNRESET);
}

TEST_F(FaultProxyTest, IsAProgramToo) {
  const std::string script = absl::StrCat(
      "(echo stall up; echo refuse; echo nonsense; echo count) "
      "| " MUSTER_FAULT_PROXY " 127.0.0.1 ",
      server_port_);
  Subprocess program({.argv = {"/bin/sh", "-c", script}});
  EXPECT_EQ(program.Wait(), Code(0));
  EXPECT_EQ(Lines(program.Out()).size(), 5);
  EXPECT_TRUE(program.WaitForOutput(
      "ok\nok\nunknown\nup 0 down 0 connections 0 open 0\n"))
      << program.Text();
}

}  // namespace
}  // namespace muster::test
