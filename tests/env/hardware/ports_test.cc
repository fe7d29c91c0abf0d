#include "env/hardware/ports.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iostream>
#include <set>
#include <utility>
#include <vector>

#include "tests/env/hardware/temp_tree.h"

namespace muster::env {
namespace {

HeldPort MustBind(const HeldPort::Options& options = {}) {
  absl::StatusOr<HeldPort> held = HeldPort::Bind(options);
  if (!held.ok()) {
    ADD_FAILURE() << held.status();
    abort();
  }
  return *std::move(held);
}

// What bind and listen on an IPv4 address say: 0 or errno.
int TryListen(uint32_t address, uint16_t port, bool reuse) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = reuse ? 1 : 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(address);
  name.sin_port = htons(port);
  int result = bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name));
  if (result == 0) result = listen(fd, 1);
  const int error = result == 0 ? 0 : errno;
  close(fd);
  return error;
}

// The same for all of IPv6 and IPv4.
int TryListenOnBoth(uint16_t port, bool reuse) {
  const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = reuse ? 1 : 0;
  const int off = 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  sockaddr_in6 name = {};
  name.sin6_family = AF_INET6;
  name.sin6_port = htons(port);
  int result = bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name));
  if (result == 0) result = listen(fd, 1);
  const int error = result == 0 ? 0 : errno;
  close(fd);
  return error;
}

TEST(HeldPort, NeverSharesItsPort) {
  std::vector<HeldPort> held;
  std::set<uint16_t> ports;
  for (int i = 0; i < 200; ++i) {
    held.push_back(MustBind());
    EXPECT_TRUE(ports.insert(held.back().port()).second)
        << held.back().port() << " is held twice";
  }
}

TEST(HeldPort, CanBeOneOfTheCallersChoice) {
  const uint16_t port = MustBind().port();
  const auto held = HeldPort::BindTo(port);
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_EQ(held->port(), port);
  const auto again = HeldPort::BindTo(port);
  EXPECT_TRUE(absl::IsAlreadyExists(again.status())) << again.status();
  EXPECT_THAT(
      std::string(again.status().message()),
      testing::HasSubstr("TCP port " + std::to_string(port) + " is taken"));
}

TEST(HeldPort, LiesOutsideTheRangeOfOutgoingConnections) {
  int low = 0;
  int high = 0;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> low >> high;
  ASSERT_GT(high, 0);
  ASSERT_FALSE(low <= 10000 && high == 65535) << "this node leaves no choice";
  for (int i = 0; i < 50; ++i) {
    const int port = MustBind().port();
    EXPECT_GE(port, 10000);
    EXPECT_TRUE(port < low || port > high) << port;
  }
}

TEST(HeldPort, TakesOnlyPortsThatTheRangeLeaves) {
  TempTree tree;
  // A hundred ports below and a hundred above are left.
  const std::string range = tree.Write("range", "10100\t65435\n");
  for (int i = 0; i < 50; ++i) {
    const int port = MustBind({.ephemeral_range = range}).port();
    EXPECT_TRUE((port >= 10000 && port < 10100) || port > 65435) << port;
  }
}

TEST(HeldPort, IsPickedByTheKernelWhenTheRangeLeavesNone) {
  TempTree tree;
  const std::string range = tree.Write("range", "1024\t65535\n");
  EXPECT_GT(MustBind({.ephemeral_range = range}).port(), 0);
}

TEST(HeldPort, IsPickedByTheKernelWhenAllOthersAreBusy) {
  TempTree tree;
  // Port 10000 alone is left: one at most can have it.
  const std::string range = tree.Write("range", "10001\t65535\n");
  const HeldPort first = MustBind({.ephemeral_range = range});
  const HeldPort second = MustBind({.ephemeral_range = range});
  EXPECT_NE(first.port(), second.port());
}

TEST(HeldPort, KeepsOthersOut) {
  const HeldPort held = MustBind();
  for (bool reuse : {false, true}) {
    EXPECT_EQ(TryListen(INADDR_ANY, held.port(), reuse), EADDRINUSE);
    EXPECT_EQ(TryListen(INADDR_LOOPBACK, held.port(), reuse), EADDRINUSE);
    EXPECT_EQ(TryListenOnBoth(held.port(), reuse), EADDRINUSE);
  }
}

TEST(HeldPort, IsFreeAtOnceWhenItEnds) {
  for (bool reuse : {false, true}) {
    const uint16_t v4 = MustBind().port();
    EXPECT_EQ(TryListen(INADDR_ANY, v4, reuse), 0);
    const uint16_t both = MustBind().port();
    EXPECT_EQ(TryListenOnBoth(both, reuse), 0);
  }
}

TEST(HeldPort, DoesNotListen) {
  HeldPort held = MustBind();
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  name.sin_port = htons(held.port());
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name)), -1);
  EXPECT_EQ(errno, ECONNREFUSED);
  close(fd);
}

TEST(HeldPort, IsHeldByTheReleasedSocketUntilThatCloses) {
  uint16_t port = 0;
  int fd = -1;
  {
    HeldPort held = MustBind();
    port = held.port();
    fd = held.ReleaseFd();
    EXPECT_EQ(held.ReleaseFd(), -1);
    EXPECT_EQ(held.port(), port);
  }
  ASSERT_GE(fd, 0);
  EXPECT_EQ(TryListen(INADDR_ANY, port, false), EADDRINUSE);
  EXPECT_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  close(fd);
  EXPECT_EQ(TryListen(INADDR_ANY, port, false), 0);
}

TEST(HeldPort, MovesWithItsSocket) {
  HeldPort one = MustBind();
  const uint16_t port = one.port();
  HeldPort two = std::move(one);
  EXPECT_EQ(two.port(), port);
  EXPECT_EQ(TryListen(INADDR_ANY, port, false), EADDRINUSE);

  const HeldPort other = MustBind();
  HeldPort replaced = MustBind();
  const uint16_t dropped = replaced.port();
  replaced = std::move(two);
  EXPECT_EQ(replaced.port(), port);
  EXPECT_EQ(TryListen(INADDR_ANY, dropped, false), 0);
  EXPECT_EQ(TryListen(INADDR_ANY, port, false), EADDRINUSE);
}

// From now on this process gets `error` whenever it opens a socket of IPv6.
bool RefuseIpv6Sockets(uint32_t error) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 &&
         socket(AF_INET6, SOCK_STREAM, 0) == -1;
}

TEST(HeldPort, IsHeldOnIpv4AloneWhereThereIsNoIpv6) {
  EXPECT_EXIT(
      {
        if (!RefuseIpv6Sockets(EAFNOSUPPORT)) _exit(2);
        const absl::StatusOr<HeldPort> held = HeldPort::Bind();
        if (!held.ok()) _exit(3);
        if (TryListen(INADDR_ANY, held->port(), true) != EADDRINUSE) _exit(4);
        _exit(0);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(HeldPort, SaysThatNoDescriptorIsLeft) {
  EXPECT_EXIT(
      {
        if (!RefuseIpv6Sockets(EMFILE)) _exit(2);
        std::cerr << HeldPort::Bind().status() << std::flush;
        _exit(0);
      },
      ::testing::ExitedWithCode(0), "RESOURCE_EXHAUSTED: .*ulimit -n");
}

}  // namespace
}  // namespace muster::env
