#include "rendezvous/coordinator.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/rendezvous/looped_agent.h"

namespace muster::rendezvous {
namespace {

using std::chrono::milliseconds;
using test::AgreementOf;
using test::HelloOf;
using test::LoopedAgent;
using test::LoopedCoordinator;
using test::NodeNamed;
using test::RunUntil;
using testing::HasSubstr;

constexpr auto kWelcome = CoordinatorMessage::kWelcome;
constexpr auto kAssignment = CoordinatorMessage::kAssignment;
constexpr auto kReport = CoordinatorMessage::kReport;

class CoordinatorTest : public testing::Test {
 protected:
  void Start(uint32_t nodes, milliseconds join = milliseconds(60'000),
             milliseconds silent = milliseconds(60'000)) {
    Start(AgreementOf(nodes, nodes), join, silent);
  }
  void Start(const Agreement& of_all, milliseconds join = milliseconds(60'000),
             milliseconds silent = milliseconds(60'000)) {
    agreement = of_all;
    host = std::make_unique<LoopedCoordinator>(loop, agreement, join, silent);
  }
  std::unique_ptr<LoopedAgent> Join(const std::string& name,
                                    uint32_t workers = 1) {
    return std::make_unique<LoopedAgent>(
        loop, host->server->InProcessChannel({}),
        HelloOf(agreement, NodeNamed(name, {}, workers)));
  }
  bool Until(const std::function<bool()>& done) { return RunUntil(loop, done); }

  asio::io_context loop;
  Agreement agreement;  // of all who Join()
  std::unique_ptr<LoopedCoordinator> host;
};

TEST_F(CoordinatorTest, TakesAJobFromHelloToVerdict) {
  Start(2);
  auto a = Join("node0");
  ASSERT_TRUE(Until([&] { return a->Has(kWelcome); }));
  auto b = Join("node1");
  ASSERT_TRUE(
      Until([&] { return a->Has(kAssignment) && b->Has(kAssignment); }));
  EXPECT_TRUE(host->sealed);
  EXPECT_EQ(b->Last(kAssignment)->assignment().first_rank(), 1u);
  a->Exit(0, 0);
  b->Exit(1, 0);
  a->Drain();
  b->Drain();
  ASSERT_TRUE(Until([&] { return a->Has(kReport) && b->Has(kReport); }));
  EXPECT_EQ(b->Last(kReport)->report().result(), RESULT_SUCCEEDED);
  EXPECT_EQ(host->verdict.result(), RESULT_SUCCEEDED);
  EXPECT_FALSE(host->idle);
  b->session->Leave();
  ASSERT_TRUE(Until([&] { return host->idle; }));
  ASSERT_TRUE(Until([&] { return b->closed; }));
  EXPECT_TRUE(b->status.ok());
}

TEST_F(CoordinatorTest, AFailureStopsTheOtherNode) {
  Start(2);
  auto a = Join("node0");
  auto b = Join("node1");
  ASSERT_TRUE(Until([&] { return b->Has(kAssignment); }));
  b->Exit(1, 5);
  ASSERT_TRUE(Until([&] { return a->Has(CoordinatorMessage::kStop); }));
  a->Exit(0, 1);
  a->Drain();
  b->Drain();
  ASSERT_TRUE(Until([&] { return a->Has(kReport); }));
  EXPECT_EQ(a->Last(kReport)->report().exit_code(), 5u);
}

TEST_F(CoordinatorTest, AStreamThatBreaksIsANodeLost) {
  Start(2);
  auto a = Join("node0");
  auto b = Join("node1");
  ASSERT_TRUE(Until([&] { return b->Has(kAssignment); }));
  b.reset();
  ASSERT_TRUE(Until([&] { return a->Has(CoordinatorMessage::kStop); }));
  a->Exit(0, 0);
  a->Drain();
  ASSERT_TRUE(Until([&] { return a->Has(kReport); }));
  EXPECT_EQ(a->Last(kReport)->report().exit_code(), 75u);
  EXPECT_THAT(a->Last(kReport)->report().first_cause().message(),
              HasSubstr("(node1, 10.0.0.2) was lost"));
}

TEST_F(CoordinatorTest, ANodeThatFallsSilentIsLostWithinItsTimeout) {
  Start(2, milliseconds(60'000), milliseconds(300));
  auto a = Join("node0");
  auto b = Join("node1");
  ASSERT_TRUE(Until([&] { return b->Has(kAssignment); }));
  // Only one of them says that it is alive.
  asio::steady_timer timer(loop);
  std::function<void()> beat = [&] {
    AgentMessage message;
    message.mutable_beat();
    a->session->Send(std::move(message));
    timer.expires_after(milliseconds(50));
    timer.async_wait([&](asio::error_code error) {
      if (!error) beat();
    });
  };
  beat();
  ASSERT_TRUE(Until([&] { return a->Has(CoordinatorMessage::kStop); }));
  EXPECT_TRUE(a->Has(CoordinatorMessage::kBeatReply));
  ASSERT_TRUE(Until([&] { return b->closed; }));
  EXPECT_EQ(b->status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(CoordinatorTest, RefusesOtherSettingsAndHangsUp) {
  Start(2);
  auto a = Join("node0");
  ASSERT_TRUE(Until([&] { return a->Has(kWelcome); }));
  LoopedAgent other(loop, host->server->InProcessChannel({}),
                    HelloOf(AgreementOf(3, 3), NodeNamed("node7")));
  ASSERT_TRUE(Until([&] { return other.closed; }));
  ASSERT_TRUE(other.Has(CoordinatorMessage::kRefusal));
  EXPECT_EQ(
      other.Last(CoordinatorMessage::kRefusal)->refusal().report().exit_code(),
      78u);
  ASSERT_TRUE(Until([&] { return a->Has(CoordinatorMessage::kNotice); }));
  EXPECT_THAT(a->Last(CoordinatorMessage::kNotice)->notice().text(),
              HasSubstr("node7 was refused"));
}

TEST_F(CoordinatorTest, TellsWhoWaitsThatSomebodyWasTurnedAway) {
  Start(2);
  auto a = Join("node0");
  ASSERT_TRUE(Until([&] { return a->Has(kWelcome); }));
  host->coordinator.Rejected("a peer whose token differs");
  ASSERT_TRUE(Until([&] { return a->Has(CoordinatorMessage::kNotice); }));
  EXPECT_THAT(a->Last(CoordinatorMessage::kNotice)->notice().text(),
              HasSubstr("turned away: a peer whose token differs"));
}

TEST_F(CoordinatorTest, ASpareNodeIsParkedAndGetsTheVerdict) {
  Start(1);
  auto a = Join("node0");
  ASSERT_TRUE(Until([&] { return a->Has(kAssignment); }));
  auto spare = Join("node1");
  ASSERT_TRUE(Until([&] { return spare->Has(CoordinatorMessage::kParked); }));
  a->Exit(0, 3);
  a->Drain();
  ASSERT_TRUE(Until([&] { return spare->Has(kReport); }));
  EXPECT_EQ(spare->Last(kReport)->report().exit_code(), 3u);
}

TEST_F(CoordinatorTest, WhoComesAfterTheVerdictGetsIt) {
  Start(1);
  auto a = Join("node0");
  ASSERT_TRUE(Until([&] { return a->Has(kAssignment); }));
  a->Exit(0, 0);
  a->Drain();
  ASSERT_TRUE(Until([&] { return a->Has(kReport); }));
  auto late = Join("node1");
  ASSERT_TRUE(Until([&] { return late->Has(kReport); }));
}

TEST_F(CoordinatorTest, TheDeadlineEndsTheWaitForAllWith69) {
  Start(2, milliseconds(200));
  auto a = Join("node0");
  ASSERT_TRUE(Until([&] { return a->Has(kReport); }));
  EXPECT_EQ(a->Last(kReport)->report().exit_code(), 69u);
}

TEST_F(CoordinatorTest, AnEmptyMessageEndsTheStreamAndHarmsNobody) {
  Start(2);
  auto a = Join("node0");
  auto b = Join("node1");
  ASSERT_TRUE(Until([&] { return a->Has(kAssignment); }));
  b->session->Send(AgentMessage());
  ASSERT_TRUE(Until([&] { return b->closed; }));
  EXPECT_EQ(b->status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_FALSE(a->closed);
}

// Two nodes with one task each.
class PreparingTest : public CoordinatorTest {
 protected:
  PreparingTest() {
    Start(test::TensorflowAgreement(2, test::Tasks(2)));
    a = Join("node0");
    b = Join("node1");
  }
  void Hold(LoopedAgent* agent, uint32_t port) {
    AgentMessage message;
    message.mutable_prepared()->add_ports(port);
    agent->session->Send(std::move(message));
  }
  void Prove(LoopedAgent* agent, bool reaches_all = true) {
    AgentMessage message;
    message.mutable_proved();
    if (!reaches_all) {
      message.mutable_proved()->add_unreachable()->set_why("no route");
    }
    agent->session->Send(std::move(message));
  }
  void HoldBoth() {
    ASSERT_TRUE(
        Until([&] { return a->Has(kAssignment) && b->Has(kAssignment); }));
    Hold(a.get(), 2222);
    Hold(b.get(), 2223);
    ASSERT_TRUE(Until([&] {
      return a->Has(CoordinatorMessage::kCluster) &&
             b->Has(CoordinatorMessage::kCluster);
    }));
  }

  std::unique_ptr<LoopedAgent> a;
  std::unique_ptr<LoopedAgent> b;
};

TEST_F(PreparingTest, StartsTheWorkersWhenAllIsProvedAndTakesThemToTheirEnd) {
  HoldBoth();
  EXPECT_EQ(a->Last(CoordinatorMessage::kCluster)->cluster().tasks(1).port(),
            2223u);
  Prove(a.get());
  Prove(b.get());
  ASSERT_TRUE(Until([&] {
    return a->Has(CoordinatorMessage::kStart) &&
           b->Has(CoordinatorMessage::kStart);
  }));
  EXPECT_EQ(host->members[1].assignment.tasks(0).port(), 2223u);
  a->Exit(0, 0);
  b->Exit(1, 0);
  a->Drain();
  b->Drain();
  ASSERT_TRUE(Until([&] { return a->Has(kReport) && b->Has(kReport); }));
  EXPECT_EQ(b->Last(kReport)->report().result(), RESULT_SUCCEEDED);
}

TEST_F(PreparingTest, StartsNothingWhenAPortIsNotReached) {
  HoldBoth();
  Prove(a.get());
  Prove(b.get(), false);
  ASSERT_TRUE(Until([&] { return a->Has(kReport) && b->Has(kReport); }));
  EXPECT_FALSE(a->Has(CoordinatorMessage::kStart));
  EXPECT_EQ(a->Last(kReport)->report().exit_code(), 69u);
  EXPECT_THAT(a->Last(kReport)->report().first_cause().message(),
              HasSubstr("node 1 (node1) can't reach node 0 (node0) at "));
}

TEST_F(PreparingTest, ANodeLostMeanwhileEndsTheJob) {
  HoldBoth();
  b.reset();
  ASSERT_TRUE(Until([&] { return a->Has(kReport); }));
  EXPECT_EQ(a->Last(kReport)->report().exit_code(), 75u);
}

TEST_F(PreparingTest, ANodeThatCannotPrepareEndsTheJob) {
  AgentMessage message;
  message.mutable_unprepared()->set_kind(CAUSE_CONFIG);
  message.mutable_unprepared()->set_exit_code(64);
  ASSERT_TRUE(Until([&] { return b->Has(kAssignment); }));
  b->session->Send(std::move(message));
  ASSERT_TRUE(Until([&] { return a->Has(kReport); }));
  EXPECT_EQ(a->Last(kReport)->report().exit_code(), 64u);
}

TEST_F(PreparingTest, ACancelEndsTheJobAndASpareNodeHearsOfIt) {
  HoldBoth();
  auto spare = Join("node2");
  ASSERT_TRUE(Until([&] { return spare->Has(CoordinatorMessage::kParked); }));
  AgentMessage message;
  message.mutable_cancel()->set_signal(15);
  b->session->Send(std::move(message));
  ASSERT_TRUE(Until([&] { return a->Has(kReport) && spare->Has(kReport); }));
  EXPECT_EQ(spare->Last(kReport)->report().exit_code(), 143u);
}

}  // namespace
}  // namespace muster::rendezvous
