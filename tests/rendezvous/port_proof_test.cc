#include "rendezvous/port_proof.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <optional>

#include "asio/ip/tcp.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/rendezvous/looped_agent.h"

namespace muster::rendezvous {
namespace {

using asio::ip::tcp;
using std::chrono::milliseconds;
using test::RunUntil;
using testing::HasSubstr;
using testing::SizeIs;

class PortProofTest : public testing::Test {
 protected:
  // Adds a task at an address of this machine.
  void AddListener(const char* address = "127.0.0.1") {
    listeners.emplace_back(loop,
                           tcp::endpoint(asio::ip::make_address(address), 0));
    Add(address, listeners.back().local_endpoint().port());
  }
  void AddClosed() {
    AddListener();
    listeners.pop_back();
  }
  void Add(const std::string& address, uint32_t port) {
    Task* task = cluster.add_tasks();
    task->set_address(address);
    task->set_port(port);
  }
  Proved Prove(PortProofOptions options = {}) {
    std::optional<Proved> proved;
    const PortProof proof(
        loop, cluster, [&](const Proved& p) { proved = p; }, options);
    EXPECT_FALSE(proved) << "never inside the constructor";
    EXPECT_TRUE(RunUntil(loop, [&] { return proved.has_value(); }));
    return proved.value_or(Proved());
  }

  asio::io_context loop;
  std::vector<tcp::acceptor> listeners;
  Cluster cluster;
};

TEST_F(PortProofTest, FindsNothingWrongWithPortsThatListen) {
  for (int i = 0; i < 50; ++i) AddListener();
  EXPECT_THAT(Prove({.at_once = 3}).unreachable(), SizeIs(0));
}

TEST_F(PortProofTest, FindsNothingWrongWithNoPortAtAll) {
  EXPECT_THAT(Prove().unreachable(), SizeIs(0));
}

TEST_F(PortProofTest, SpeaksIpv6) {
  AddListener("::1");
  EXPECT_THAT(Prove().unreachable(), SizeIs(0));
}

TEST_F(PortProofTest, NamesEachPortThatRefuses) {
  AddListener();
  AddClosed();
  AddListener();
  AddClosed();
  Add("not an address", 1);
  const Proved proved = Prove({.at_once = 1});
  ASSERT_THAT(proved.unreachable(), SizeIs(3));
  EXPECT_EQ(proved.unreachable(0).task(), 1u);
  EXPECT_EQ(proved.unreachable(0).why(), "connection refused");
  EXPECT_EQ(proved.unreachable(1).task(), 3u);
  EXPECT_EQ(proved.unreachable(2).task(), 4u);
  EXPECT_EQ(proved.unreachable(2).why(), "not a numeric address");
}

// A listener whose queue is full answers no more.
TEST_F(PortProofTest, GivesUpOnAPortThatDoesNotAnswer) {
  tcp::acceptor mute(loop, tcp::v4());
  mute.bind(tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0));
  mute.listen(0);
  tcp::socket filler(loop);
  filler.connect(mute.local_endpoint());
  Add("127.0.0.1", mute.local_endpoint().port());
  const Proved proved = Prove({.timeout = milliseconds(100)});
  ASSERT_THAT(proved.unreachable(), SizeIs(1));
  EXPECT_THAT(proved.unreachable(0).why(), HasSubstr("no answer within 0.1 s"));
}

TEST_F(PortProofTest, StopsAfterEnoughFailures) {
  for (int i = 0; i < 20; ++i) AddClosed();
  EXPECT_THAT(Prove({.at_once = 1, .enough_failures = 5}).unreachable(),
              SizeIs(5));
}

// Who is asked may drop the connection before this side has looked at it.
TEST_F(PortProofTest, TakesAResetForAnAnswer) {
  AddListener();
  std::optional<Proved> proved;
  const PortProof proof(loop, cluster, [&](const Proved& p) { proved = p; });
  loop.run_one();  // the connection is begun, and nothing else is looked at
  tcp::socket peer = listeners[0].accept();
  peer.set_option(asio::socket_base::linger(true, 0));
  peer.close();
  ASSERT_TRUE(RunUntil(loop, [&] { return proved.has_value(); }));
  EXPECT_THAT(proved->unreachable(), SizeIs(0));
}

TEST_F(PortProofTest, DropsItsConnectionsWithAReset) {
  AddListener();
  std::optional<tcp::socket> peer;
  listeners[0].async_accept(
      [&](const asio::error_code&, tcp::socket s) { peer = std::move(s); });
  Prove();
  ASSERT_TRUE(RunUntil(loop, [&] { return peer.has_value(); }));
  char byte = 0;
  asio::error_code error;
  peer->read_some(asio::buffer(&byte, 1), error);
  EXPECT_EQ(error, asio::error::connection_reset);
}

TEST_F(PortProofTest, CallsNobodyOnceItIsDestroyed) {
  AddListener();
  bool called = false;
  {
    const PortProof proof(loop, cluster, [&](const Proved&) { called = true; });
    loop.run_one();
  }
  loop.restart();
  loop.run();
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace muster::rendezvous
