#include "rendezvous/relay.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/rendezvous/fixtures.h"

namespace muster::rendezvous {
namespace {

using test::SealedMembers;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

RemoteFrame FrameOf(uint32_t opener, uint32_t executor) {
  RemoteFrame frame;
  frame.set_opener(opener);
  frame.set_executor(executor);
  frame.set_exchange(5);
  return frame;
}

RemoteFrame Start(uint32_t opener, uint32_t executor) {
  RemoteFrame frame = FrameOf(opener, executor);
  frame.mutable_request()->mutable_start()->set_command("true");
  return frame;
}

RemoteFrame End(uint32_t opener, uint32_t executor) {
  RemoteFrame frame = FrameOf(opener, executor);
  frame.mutable_reply()->mutable_end()->set_exit_code(0);
  return frame;
}

// Three nodes: sessions 1, 2 and 3 are node ranks 0, 1 and 2.
class RelayTest : public testing::Test {
 protected:
  Relay relay{SealedMembers(3, 1)};
};

TEST_F(RelayTest, PassesRequestsToTheExecutorAndRepliesToTheOpener) {
  const Outbox out = relay.Frame(1, Start(0, 2));
  ASSERT_THAT(out, SizeIs(1));
  EXPECT_EQ(out[0].to, 3u);
  EXPECT_EQ(out[0].message.remote().request().start().command(), "true");
  const Outbox back = relay.Frame(3, End(0, 2));
  ASSERT_THAT(back, SizeIs(1));
  EXPECT_EQ(back[0].to, 1u);
  EXPECT_TRUE(back[0].message.remote().reply().has_end());
}

TEST_F(RelayTest, PassesACommandOfANodeForItselfBothWays) {
  EXPECT_THAT(relay.Frame(2, Start(1, 1)), SizeIs(1));
  EXPECT_THAT(relay.Frame(2, End(1, 1)), SizeIs(1));
}

TEST_F(RelayTest, BelievesNobodyWhoClaimsToBeAnotherNode) {
  EXPECT_THAT(relay.Frame(2, Start(0, 2)), IsEmpty());
  relay.Frame(1, Start(0, 2));
  EXPECT_THAT(relay.Frame(2, End(0, 2)), IsEmpty());
  EXPECT_THAT(relay.Frame(9, Start(0, 2)), IsEmpty());
}

TEST_F(RelayTest, KnowsNothingOfAnExchangeBeforeItsStartAndAfterItsEnd) {
  RemoteFrame signal = FrameOf(0, 1);
  signal.mutable_request()->set_signal(15);
  EXPECT_THAT(relay.Frame(1, signal), IsEmpty());
  relay.Frame(1, Start(0, 1));
  EXPECT_THAT(relay.Frame(1, signal), SizeIs(1));
  relay.Frame(2, End(0, 1));
  EXPECT_THAT(relay.Frame(1, signal), IsEmpty());
}

TEST_F(RelayTest, AnswersForNodesThatAreNotThere) {
  const Outbox out = relay.Frame(1, Start(0, 7));
  ASSERT_THAT(out, SizeIs(1));
  EXPECT_EQ(out[0].to, 1u);
  EXPECT_THAT(out[0].message.remote().reply().end().problem(),
              HasSubstr("left"));
}

TEST_F(RelayTest, TellsTheOpenerThatTheExecutorsNodeWasLost) {
  relay.Frame(1, Start(0, 2));
  const Outbox out = relay.Left(3, "it fell silent");
  ASSERT_THAT(out, SizeIs(1));
  EXPECT_EQ(out[0].to, 1u);
  EXPECT_THAT(out[0].message.remote().reply().end().problem(),
              HasSubstr("node 2 (node2) was lost: it fell silent"));
}

TEST_F(RelayTest, HangsUpTheCommandsOfAnOpenerThatWasLost) {
  relay.Frame(1, Start(0, 2));
  const Outbox out = relay.Left(1, "gone");
  ASSERT_THAT(out, SizeIs(1));
  EXPECT_EQ(out[0].to, 3u);
  EXPECT_TRUE(out[0].message.remote().request().hang_up());
}

}  // namespace
}  // namespace muster::rendezvous
