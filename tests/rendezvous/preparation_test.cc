#include "rendezvous/preparation.h"

#include <csignal>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/rendezvous/fixtures.h"

namespace muster::rendezvous {
namespace {

using test::At;
using test::SealedTasks;
using test::Tasks;
using test::To;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using State = Preparation::State;

muster::Prepared Ports(std::vector<uint32_t> ports) {
  muster::Prepared event;
  for (const uint32_t port : ports) event.add_ports(port);
  return event;
}

muster::Proved Reached() { return {}; }

muster::Proved NotReached(std::vector<uint32_t> tasks,
                          const std::string& why = "connection refused") {
  muster::Proved event;
  for (const uint32_t task : tasks) {
    Unreachable* unreachable = event.add_unreachable();
    unreachable->set_task(task);
    unreachable->set_why(why);
  }
  return event;
}

int Milliseconds(Duration duration) {
  return static_cast<int>(
      std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

// Two nodes, sessions 1 and 2: ps 0 and worker 0 on the first, worker 1 on the
// second.
class PreparationTest : public testing::Test {
 protected:
  void HoldAll() {
    preparation.Prepared(2, Ports({2222}), At(5));
    preparation.Prepared(1, Ports({2222, 2223}), At(10));
    ASSERT_EQ(preparation.state(), State::kProving);
  }
  const Cause& cause() { return preparation.report().first_cause(); }
  void ExpectFailed(CauseKind kind, uint32_t exit_code, uint32_t node) {
    EXPECT_EQ(preparation.state(), State::kFailed);
    EXPECT_EQ(preparation.report().result(),
              kind == CAUSE_CANCELLED ? RESULT_CANCELLED : RESULT_FAILED);
    EXPECT_EQ(preparation.report().exit_code(), exit_code);
    EXPECT_EQ(preparation.report().run_id(), "run");
    EXPECT_EQ(preparation.report().nodes(), 2u);
    EXPECT_EQ(preparation.report().world_size(), 3u);
    EXPECT_DOUBLE_EQ(preparation.report().durations().join(), 1.5);
    EXPECT_EQ(cause().kind(), kind);
    EXPECT_EQ(cause().node(), node);
    EXPECT_EQ(cause().host(), "node" + std::to_string(node));
  }

  Preparation preparation{"run", SealedTasks(2, Tasks(2, 1)), 1.5, At(0)};
};

TEST(NeedsPreparation, IsTrueOfTasksOnly) {
  EXPECT_TRUE(NeedsPreparation(SealedTasks(2, Tasks(2, 1))));
  EXPECT_FALSE(NeedsPreparation(test::SealedMembers(2, 2)));
}

TEST_F(PreparationTest, TellsAllNodesTheWholeClusterWhenAllPortsAreHeld) {
  EXPECT_THAT(preparation.Prepared(2, Ports({2222}), At(5)), IsEmpty());
  EXPECT_EQ(preparation.state(), State::kPreparing);
  const Outbox out = preparation.Prepared(1, Ports({2222, 2223}), At(10));
  EXPECT_EQ(preparation.state(), State::kProving);
  ASSERT_THAT(out, SizeIs(2));
  const Cluster cluster = To(out, 1)[0].cluster();
  EXPECT_EQ(cluster.SerializeAsString(),
            To(out, 2)[0].cluster().SerializeAsString());
  ASSERT_THAT(cluster.tasks(), SizeIs(3));
  EXPECT_EQ(cluster.tasks(0).ShortDebugString(),
            R"(role: TASK_ROLE_PS address: "10.0.0.1" port: 2222)");
  EXPECT_EQ(cluster.tasks(1).ShortDebugString(),
            R"(role: TASK_ROLE_WORKER rank: 1 address: "10.0.0.1" port: 2223)");
  EXPECT_EQ(cluster.tasks(2).ShortDebugString(),
            R"(role: TASK_ROLE_WORKER index: 1 rank: 2 node: 1 )"
            R"(address: "10.0.0.2" port: 2222)");
}

TEST_F(PreparationTest, StartsAllWhenEveryNodeReachesEveryPort) {
  HoldAll();
  EXPECT_THAT(preparation.Proved(1, Reached(), At(20)), IsEmpty());
  const Outbox out = preparation.Proved(2, Reached(), At(30));
  EXPECT_EQ(preparation.state(), State::kReady);
  ASSERT_THAT(out, SizeIs(2));
  EXPECT_TRUE(To(out, 1)[0].has_start());
  EXPECT_TRUE(To(out, 2)[0].has_start());
  EXPECT_DOUBLE_EQ(preparation.seconds(), 0.03);
  EXPECT_EQ(preparation.members()[0].assignment.tasks(1).port(), 2223u);
}

TEST_F(PreparationTest, NamesThePairThatDoesNotReachEachOther) {
  HoldAll();
  preparation.Proved(2, NotReached({0}), At(20));
  EXPECT_EQ(preparation.state(), State::kProving) << "the others speak first";
  EXPECT_THAT(preparation.Proved(1, Reached(), At(30)), IsEmpty());
  ExpectFailed(CAUSE_RENDEZVOUS, 69, 1);
  EXPECT_THAT(cause().message(),
              HasSubstr("node 1 (node1) can't reach node 0 (node0) at "
                        "10.0.0.1:2222 (ps 0): connection refused\n"));
  EXPECT_DOUBLE_EQ(preparation.report().durations().fabric(), 0.03);
}

TEST_F(PreparationTest, NamesEveryPairAndANodeThatMissesItself) {
  HoldAll();
  preparation.Proved(2, NotReached({0, 1}), At(20));
  preparation.Proved(1, NotReached({0}, "no answer within 10 s"), At(30));
  ExpectFailed(CAUSE_RENDEZVOUS, 69, 0);
  EXPECT_THAT(cause().message(),
              AllOf(HasSubstr("node 0 (node0) can't reach itself at "
                              "10.0.0.1:2222 (ps 0): no answer within 10 s\n"),
                    HasSubstr("10.0.0.1:2222 (ps 0): connection refused\n"),
                    HasSubstr("10.0.0.1:2223 (worker 0): connection")));
}

TEST(Preparation, CutsALongListOfPairsShort) {
  Preparation preparation("run", SealedTasks(2, Tasks(20)), 0, At(0));
  std::vector<uint32_t> ports;
  for (uint32_t port = 2222; port < 2232; ++port) ports.push_back(port);
  preparation.Prepared(1, Ports(ports), At(1));
  preparation.Prepared(2, Ports(ports), At(1));
  preparation.Proved(1, Reached(), At(1));
  preparation.Proved(2, NotReached({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}), At(1));
  EXPECT_THAT(preparation.report().first_cause().message(),
              AllOf(HasSubstr("(worker 7)"), HasSubstr("\nand 2 more\n"),
                    testing::Not(HasSubstr("(worker 8)"))));
}

TEST(Preparation, PutsAnIpv6AddressInBrackets) {
  std::vector<Member> members = SealedTasks(1, Tasks(1));
  members[0].assignment.mutable_tasks(0)->set_address("fd00::4");
  Preparation preparation("run", members, 0, At(0));
  preparation.Prepared(1, Ports({2222}), At(1));
  preparation.Proved(1, NotReached({0}), At(1));
  EXPECT_THAT(preparation.report().first_cause().message(),
              HasSubstr("at [fd00::4]:2222 (worker 0)"));
}

TEST(Preparation, RefusesTwoTasksAtOnePort) {
  std::vector<Member> members = SealedTasks(2, Tasks(2));
  members[1].assignment.mutable_tasks(0)->set_address("10.0.0.1");
  Preparation preparation("run", members, 0, At(0));
  preparation.Prepared(1, Ports({2222}), At(1));
  EXPECT_THAT(preparation.Prepared(2, Ports({2222}), At(1)), IsEmpty());
  EXPECT_EQ(preparation.state(), State::kFailed);
  EXPECT_EQ(preparation.report().exit_code(), 69u);
  EXPECT_THAT(preparation.report().first_cause().message(),
              HasSubstr("worker 0 on node 0 (node0) and worker 1 on node 1 "
                        "(node1) would both be reached at 10.0.0.1:2222"));
}

TEST_F(PreparationTest, FailsWithTheNodesOwnWordWhenItCannotPrepare) {
  muster::Unprepared event;
  event.set_kind(CAUSE_CONFIG);
  event.set_exit_code(64);
  event.set_message("1 visible GPUs for 2 workers");
  preparation.Unprepared(2, event, At(3));
  ExpectFailed(CAUSE_CONFIG, 64, 1);
  EXPECT_EQ(cause().message(), "node 1 (node1): 1 visible GPUs for 2 workers");
}

TEST_F(PreparationTest, TakesAWrongNumberOfPortsForAFault) {
  preparation.Prepared(1, Ports({2222}), At(3));
  ExpectFailed(CAUSE_RENDEZVOUS, 70, 0);
}

TEST_F(PreparationTest, ALostNodeEndsItWith75InBothStates) {
  preparation.Lost(2, "its agent hung up", At(3));
  ExpectFailed(CAUSE_NODE_LOST, 75, 1);
  EXPECT_THAT(cause().message(),
              HasSubstr("node 1 (node1, 10.0.0.2) was lost before the start: "
                        "its agent hung up"));
}

TEST_F(PreparationTest, ANodeLostWhileItProvesIsNoUnreachablePort) {
  HoldAll();
  preparation.Proved(1, NotReached({2}), At(20));
  preparation.Lost(2, "it was silent", At(30));
  ExpectFailed(CAUSE_NODE_LOST, 75, 1);
}

TEST_F(PreparationTest, ANodeThatFailsEndsItWith75) {
  preparation.NodeFailed(1, "its keeper was killed", At(3));
  ExpectFailed(CAUSE_NODE_LOST, 75, 0);
}

TEST_F(PreparationTest, ASignalCancelsIt) {
  HoldAll();
  preparation.Cancel(2, SIGINT, At(20));
  ExpectFailed(CAUSE_CANCELLED, 130, 1);
  EXPECT_EQ(cause().signal(), static_cast<uint32_t>(SIGINT));
}

TEST_F(PreparationTest, EndsAtItsDeadlineAndNamesWhoIsSilent) {
  preparation.Prepared(1, Ports({2222, 2223}), At(5));
  const int budget = Milliseconds(kPrepare);
  preparation.Tick(At(budget - 1));
  EXPECT_EQ(preparation.state(), State::kPreparing);
  preparation.Tick(At(budget));
  ExpectFailed(CAUSE_RENDEZVOUS, 69, 1);
  EXPECT_THAT(cause().message(),
              AllOf(HasSubstr("not all nodes hold the ports"),
                    HasSubstr("nothing was heard of node 1 (node1)")));
}

TEST_F(PreparationTest, EndsAtItsDeadlineWhileProving) {
  HoldAll();
  preparation.Proved(2, Reached(), At(20));
  preparation.Tick(At(Milliseconds(kPrepare)));
  ExpectFailed(CAUSE_RENDEZVOUS, 69, 0);
  EXPECT_THAT(cause().message(), HasSubstr("have tried the ports"));
}

TEST_F(PreparationTest, IgnoresStrangersRepetitionsAndWhatComesTooLate) {
  EXPECT_THAT(preparation.Prepared(9, Ports({1}), At(1)), IsEmpty());
  EXPECT_THAT(preparation.Proved(1, NotReached({0}), At(2)), IsEmpty());
  preparation.Lost(9, "gone", At(3));
  preparation.Cancel(9, SIGTERM, At(3));
  EXPECT_EQ(preparation.state(), State::kPreparing);
  HoldAll();
  EXPECT_THAT(preparation.Prepared(1, Ports({1, 2}), At(11)), IsEmpty());
  preparation.Proved(1, Reached(), At(20));
  preparation.Proved(1, NotReached({0}), At(21));
  EXPECT_EQ(preparation.state(), State::kProving);
  preparation.Proved(2, Reached(), At(30));
  ASSERT_EQ(preparation.state(), State::kReady);
  preparation.Lost(1, "gone", At(40));
  preparation.Tick(At(Milliseconds(kPrepare)));
  EXPECT_EQ(preparation.state(), State::kReady);
  EXPECT_FALSE(preparation.report().has_first_cause());
}

// Whatever comes in whatever order: it never starts workers unless every node
// holds its ports and reaches all, it decides once, and at the latest at its
// deadline.
TEST(Preparation, KeepsItsInvariantsUnderRandomEvents) {
  for (unsigned seed = 0; seed < 1000; ++seed) {
    std::mt19937 random(seed);
    const uint32_t nodes = 1 + random() % 4;
    Preparation preparation("run", SealedTasks(nodes, Tasks(nodes)), 0, At(0));
    std::set<SessionId> held;
    std::map<SessionId, bool> reached;  // by the first answer of each
    State last = State::kPreparing;
    size_t starts = 0;
    int now = 0;
    const auto check = [&](const Outbox& out) {
      for (const Send& send : out) {
        EXPECT_EQ(send.message.has_cluster(), last == State::kPreparing);
        starts += send.message.has_start();
      }
      const State state = preparation.state();
      if (last == State::kReady || last == State::kFailed) {
        EXPECT_EQ(state, last);
        EXPECT_THAT(out, IsEmpty());
      }
      if (state != State::kPreparing && state != State::kFailed) {
        EXPECT_EQ(held.size(), nodes);
      }
      if (state == State::kReady) {
        EXPECT_EQ(reached.size(), nodes);
        for (const auto& [session, all] : reached) EXPECT_TRUE(all);
      }
      EXPECT_EQ(preparation.report().has_first_cause(),
                state == State::kFailed);
      EXPECT_EQ(starts, state == State::kReady ? nodes : 0);
      last = state;
    };
    for (int step = 0; step < 40; ++step) {
      const SessionId session = 1 + random() % (nodes + 1);
      const bool member = session <= nodes;
      ++now;
      switch (random() % 6) {
        case 0:
        case 1:
          if (member) held.insert(session);
          check(preparation.Prepared(session, Ports({1000}), At(now)));
          break;
        case 2:
        case 3:
          if (member && last == State::kProving) {
            reached.emplace(session, true);
          }
          check(preparation.Proved(session, Reached(), At(now)));
          break;
        case 4:
          if (random() % 10 == 0) {
            if (member && last == State::kProving) {
              reached.emplace(session, false);
            }
            check(preparation.Proved(session, NotReached({0}), At(now)));
          }
          break;
        default:
          if (random() % 20 == 0) preparation.Lost(session, "gone", At(now));
          if (random() % 20 == 0) preparation.Cancel(session, 15, At(now));
          preparation.Tick(At(now));
          check({});
      }
    }
    preparation.Tick(At(Milliseconds(kPrepare)));
    EXPECT_TRUE(preparation.state() == State::kReady ||
                preparation.state() == State::kFailed)
        << seed;
  }
}

}  // namespace
}  // namespace muster::rendezvous
