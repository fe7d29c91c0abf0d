#include "launcher/task_ports.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "env/hardware/ports.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::launcher {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// A connected socket, or -errno.
int Connect(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) == 0) {
    return fd;
  }
  const int error = errno;
  close(fd);
  return -error;
}

// What a worker's own bind and listen say, without SO_REUSEADDR: 0 or errno.
int TryListen(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(port);
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  int result =
      bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  if (result == 0) result = listen(fd, 1);
  const int error = result == 0 ? 0 : errno;
  close(fd);
  return error;
}

// A port of which the next `count` are free, too.
uint16_t FreeRange(int count) {
  while (true) {
    std::vector<env::HeldPort> held;
    held.push_back(*env::HeldPort::Bind());
    const uint16_t first = held[0].port();
    for (int i = 1; i < count && first + i < 65536; ++i) {
      auto next = env::HeldPort::BindTo(static_cast<uint16_t>(first + i));
      if (!next.ok()) break;
      held.push_back(*std::move(next));
    }
    if (held.size() == static_cast<size_t>(count)) return first;
  }
}

class TaskPortsTest : public testing::Test {
 protected:
  TaskPortsTest() {
    tasks.Add()->set_role(TASK_ROLE_PS);
    Task* worker = tasks.Add();
    worker->set_role(TASK_ROLE_WORKER);
    worker->set_index(3);
  }
  std::unique_ptr<TaskPorts> MustListen(uint32_t base_port = 0) {
    auto ports = TaskPorts::Listen(loop, tasks, base_port);
    EXPECT_TRUE(ports.ok()) << ports.status();
    return ports.ok() ? *std::move(ports) : nullptr;
  }
  std::string Mistake(uint32_t base_port) {
    return std::string(
        TaskPorts::Listen(loop, tasks, base_port).status().message());
  }

  asio::io_context loop;
  google::protobuf::RepeatedPtrField<Task> tasks;
};

TEST_F(TaskPortsTest, AnswersOnEachPortAndDropsWhoComes) {
  const auto ports = MustListen();
  ASSERT_THAT(ports->ports(), SizeIs(2));
  EXPECT_NE(ports->ports()[0], ports->ports()[1]);
  for (const uint16_t port : ports->ports()) {
    // More than once: nobody is left in the queue.
    for (int i = 0; i < 3; ++i) {
      const int fd = Connect(port);
      ASSERT_GE(fd, 0) << -fd;
      loop.run_one();
      char byte = 0;
      EXPECT_EQ(recv(fd, &byte, 1, 0), -1);
      EXPECT_EQ(errno, ECONNRESET);
      close(fd);
    }
  }
}

TEST_F(TaskPortsTest, HoldsItsPortsUntilTheReleasedSocketsAreClosed) {
  auto ports = MustListen();
  const std::vector<uint16_t> numbers = ports->ports();
  const int peer = Connect(numbers[0]);
  ASSERT_GE(peer, 0);
  loop.run_one();
  EXPECT_EQ(TryListen(numbers[0]), EADDRINUSE);
  const std::vector<int> sockets = ports->Release();
  ports.reset();
  loop.restart();
  loop.run();
  ASSERT_THAT(sockets, SizeIs(2));
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_NE(fcntl(sockets[i], F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_EQ(Connect(numbers[i]), -ECONNREFUSED) << "it listens no more";
    EXPECT_EQ(TryListen(numbers[i]), EADDRINUSE) << "and is still held";
    close(sockets[i]);
    EXPECT_EQ(TryListen(numbers[i]), 0) << "free at once, no TIME_WAIT";
  }
  close(peer);
}

TEST_F(TaskPortsTest, FreesItsPortsWhenItIsDestroyed) {
  auto ports = MustListen();
  const std::vector<uint16_t> numbers = ports->ports();
  ports.reset();
  EXPECT_EQ(TryListen(numbers[0]), 0);
  EXPECT_EQ(TryListen(numbers[1]), 0);
}

TEST_F(TaskPortsTest, CountsUpFromTheBasePort) {
  const uint16_t base = FreeRange(2);
  EXPECT_THAT(MustListen(base)->ports(), ElementsAre(base, base + 1));
}

TEST_F(TaskPortsTest, NamesTheTaskAndThePortThatIsTaken) {
  const uint16_t base = FreeRange(2);
  const auto taken = env::HeldPort::BindTo(base + 1);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_THAT(
      Mistake(base),
      AllOf(HasSubstr("no port for worker 3"),
            HasSubstr("TCP port " + std::to_string(base + 1) + " is taken")));
  // Nothing of the attempt is left.
  EXPECT_EQ(TryListen(base), 0);
}

TEST_F(TaskPortsTest, DoesNotGoPastTheLastPort) {
  EXPECT_THAT(Mistake(65535),
              AllOf(HasSubstr("worker 3"), HasSubstr("--base-port 65535")));
}

}  // namespace
}  // namespace muster::launcher
