#include "launcher/mpi/remote_calls.h"

#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::mpi {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class RemoteCallsTest : public testing::Test {
 protected:
  static std::vector<Peer> Peers(size_t count) {
    std::vector<Peer> peers(count);
    for (size_t i = 0; i < count; ++i) {
      peers[i].set_host_name("host" + std::to_string(i));
      peers[i].set_address("10.0.0." + std::to_string(i + 1));
    }
    return peers;
  }

  static RemoteOpen To(const std::string& host, const Environment& environment,
                       const std::string& directory = "/work") {
    RemoteOpen open;
    open.set_host(host);
    open.mutable_start()->set_command("orted --x");
    open.mutable_start()->set_working_directory(directory);
    for (const auto& [name, value] : environment) {
      Variable* variable = open.mutable_start()->add_set();
      variable->set_name(name);
      variable->set_value(value);
    }
    return open;
  }

  RemoteFrame ReplyTo(const RemoteFrame& request, bool end) {
    RemoteFrame frame;
    frame.set_opener(request.opener());
    frame.set_executor(request.executor());
    frame.set_exchange(request.exchange());
    if (end) frame.mutable_reply()->mutable_end()->set_exit_code(0);
    if (!end) frame.mutable_reply()->mutable_output()->set_data("x");
    return frame;
  }

  const Environment own_ = {{"PATH", "/bin"}, {"HOME", "/root"}};
  RemoteCalls calls_{1, Peers(3), own_, "/work"};
};

TEST_F(RemoteCallsTest, StartACommandOnTheNamedNode) {
  const auto frame = calls_.Open(7, To("host2", own_));
  ASSERT_TRUE(frame.ok());
  EXPECT_EQ(frame->opener(), 1u);
  EXPECT_EQ(frame->executor(), 2u);
  const RemoteStart& start = frame->request().start();
  EXPECT_EQ(start.command(), "orted --x");
  EXPECT_EQ(start.working_directory(), "");  // the agent's own
  EXPECT_THAT(start.set(), IsEmpty());
  EXPECT_THAT(start.unset(), IsEmpty());
  EXPECT_FALSE(start.serves_job());
}

TEST_F(RemoteCallsTest, CarryOnlyWhatDiffersFromTheAgentsSurroundings) {
  const auto frame = calls_.Open(
      7,
      To("host0",
         {{"PATH", "/opt/bin"}, {"EXTRA", "1"}, {"MUSTER_LAUNCHER", "mpirun"}},
         "/elsewhere"));
  ASSERT_TRUE(frame.ok());
  const RemoteStart& start = frame->request().start();
  EXPECT_EQ(start.working_directory(), "/elsewhere");
  std::vector<std::string> set;
  for (const Variable& variable : start.set()) {
    set.push_back(variable.name() + "=" + variable.value());
  }
  EXPECT_THAT(set, ElementsAre("EXTRA=1", "PATH=/opt/bin"));
  EXPECT_THAT(start.unset(), ElementsAre("HOME"));
  EXPECT_TRUE(start.serves_job());
}

TEST_F(RemoteCallsTest, NameTheNodesWhereTheHostIsNone) {
  const auto frame = calls_.Open(7, To("gamma", own_));
  EXPECT_EQ(frame.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(frame.status().message(),
            "gamma is no node of this job; its 3 nodes are node0 (host0), "
            "node1 (host1), node2 (host2)");
  RemoteCalls many(0, Peers(20), own_, "/work");
  EXPECT_THAT(std::string(many.Open(7, To("gamma", own_)).status().message()),
              HasSubstr("node7 (host7), ..."));
}

TEST_F(RemoteCallsTest, KeepConversationsApart) {
  const auto first = calls_.Open(7, To("host0", own_));
  const auto second = calls_.Open(8, To("host0", own_));
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_NE(first->exchange(), second->exchange());
  RemoteRequest signal;
  signal.set_signal(15);
  const auto frames = calls_.Request(8, signal);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].exchange(), second->exchange());
  EXPECT_EQ(frames[0].request().signal(), 15u);
  EXPECT_THAT(calls_.Request(9, signal), IsEmpty());
  EXPECT_EQ(calls_.Replied(ReplyTo(*first, false)), 7u);
  EXPECT_EQ(calls_.Replied(ReplyTo(*second, false)), 8u);
}

TEST_F(RemoteCallsTest, AreOverWithTheEndOrWithTheConnection) {
  const auto first = calls_.Open(7, To("host0", own_));
  const auto second = calls_.Open(8, To("host2", own_));
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(calls_.Replied(ReplyTo(*first, true)), 7u);
  EXPECT_EQ(calls_.Replied(ReplyTo(*first, false)), std::nullopt);
  EXPECT_THAT(calls_.Closed(7), IsEmpty());

  const auto frames = calls_.Closed(8);
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].executor(), 2u);
  EXPECT_TRUE(frames[0].request().hang_up());
  EXPECT_EQ(calls_.Replied(ReplyTo(*second, true)), std::nullopt);
}

TEST_F(RemoteCallsTest, TakeNoReplyFromAnotherNode) {
  const auto call = calls_.Open(7, To("host0", own_));
  ASSERT_TRUE(call.ok());
  RemoteFrame reply = ReplyTo(*call, true);
  reply.set_executor(2);
  EXPECT_EQ(calls_.Replied(reply), std::nullopt);
  EXPECT_EQ(calls_.Replied(ReplyTo(*call, true)), 7u);
}

}  // namespace
}  // namespace muster::mpi
