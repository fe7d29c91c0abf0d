#include "rendezvous/roster.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/rendezvous/fixtures.h"

namespace muster::rendezvous {
namespace {

using test::AgreementOf;
using test::At;
using test::HelloOf;
using test::NodeNamed;
using test::Tasks;
using test::To;
using testing::HasSubstr;
using testing::SizeIs;

Roster Gathering(uint32_t min_nodes, uint32_t max_nodes) {
  return Roster({.run_id = "run",
                 .agreement = AgreementOf(min_nodes, max_nodes),
                 .our_host = "node0",
                 .join_timeout = std::chrono::seconds(60)},
                At(0));
}

muster::Hello From(const std::string& host,
                   std::optional<uint32_t> rank = std::nullopt,
                   uint32_t nodes = 2) {
  return HelloOf(AgreementOf(nodes, nodes), NodeNamed(host, rank));
}

TEST(Roster, WelcomesAndWaitsUntilTheLastNodeJoins) {
  Roster roster = Gathering(2, 2);
  const auto first = To(roster.Hello(1, From("node0"), At(1)), 1);
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_EQ(first[0].welcome().joined(), 1);
  EXPECT_EQ(first[0].welcome().expected(), 2);
  EXPECT_EQ(roster.state(), Roster::State::kGathering);

  const Outbox last = roster.Hello(2, From("node1"), At(2500));
  EXPECT_EQ(roster.state(), Roster::State::kSealed);
  EXPECT_DOUBLE_EQ(roster.join_seconds(), 2.5);
  ASSERT_THAT(last, SizeIs(1));
  EXPECT_TRUE(To(last, 2)[0].has_welcome());

  const Outbox places = roster.Assign({}, At(2600));
  ASSERT_THAT(places, SizeIs(2));
  EXPECT_TRUE(To(places, 1)[0].has_assignment());
  EXPECT_TRUE(To(places, 2)[0].has_assignment());
  EXPECT_THAT(roster.Assign({}, At(2700)), SizeIs(0)) << "once";
}

TEST(Roster, NumbersTheRanksAnewWithoutThoseWhoAreLeftOut) {
  Roster roster = Gathering(2, 3);
  const Agreement agreement = AgreementOf(2, 3);
  roster.Hello(1, HelloOf(agreement, NodeNamed("node0", {}, 2)), At(1));
  roster.Hello(2, HelloOf(agreement, NodeNamed("node1", {}, 4)), At(2));
  roster.Hello(3, HelloOf(agreement, NodeNamed("node2", {}, 1)), At(3));
  const Outbox out = roster.Assign({{1, "GPU 3 gives wrong data"}}, At(4));
  ASSERT_THAT(To(out, 1), SizeIs(1));
  EXPECT_EQ(To(out, 1)[0].left_out().why(), "GPU 3 gives wrong data");
  EXPECT_THAT(roster.parked(), testing::ElementsAre(1));
  const Assignment first = To(out, 2)[0].assignment();
  EXPECT_EQ(first.node_rank(), 0u);
  EXPECT_EQ(first.node_count(), 2u);
  EXPECT_EQ(first.first_rank(), 0u);
  EXPECT_EQ(first.world_size(), 5u);
  EXPECT_EQ(first.master_address(), "10.0.0.2");
  EXPECT_EQ(first.master_port(), NodeNamed("node1").master_port());
  ASSERT_EQ(first.peers_size(), 2);
  EXPECT_EQ(first.peers(1).host_name(), "node2");
  EXPECT_EQ(To(out, 3)[0].assignment().first_rank(), 4u);
}

TEST(Roster, NumbersTheRanksOfUnequalNodesWithoutGaps) {
  Roster roster = Gathering(3, 3);
  const Agreement agreement = AgreementOf(3, 3);
  roster.Hello(1, HelloOf(agreement, NodeNamed("node2", {}, 1)), At(1));
  roster.Hello(2, HelloOf(agreement, NodeNamed("node1", {}, 4)), At(2));
  roster.Hello(3, HelloOf(agreement, NodeNamed("node0", {}, 2)), At(3));
  ASSERT_THAT(roster.members(), SizeIs(3));
  const auto& members = roster.members();
  EXPECT_EQ(members[0].session, 3u);
  EXPECT_EQ(members[0].assignment.first_rank(), 0u);
  EXPECT_EQ(members[1].assignment.first_rank(), 2u);
  EXPECT_EQ(members[2].assignment.first_rank(), 6u);
  for (const Member& member : members) {
    EXPECT_EQ(member.assignment.world_size(), 7u);
    EXPECT_EQ(member.assignment.master_address(), "10.0.0.1");
    EXPECT_EQ(member.assignment.master_port(), members[0].facts.master_port());
  }
}

TEST(Roster, EachNodeAndNoOtherIsGivenItsKeyForTheCollector) {
  Roster roster({.run_id = "run",
                 .agreement = AgreementOf(2, 2),
                 .our_host = "node0",
                 .join_timeout = std::chrono::seconds(60),
                 .collector_key =
                     [](const Assignment& assignment, uint32_t workers) {
                       return absl::StrCat("node ", assignment.node_rank(),
                                           ", ranks ", assignment.first_rank(),
                                           "+", workers, " of ",
                                           assignment.world_size());
                     }},
                At(0));
  roster.Hello(1, From("node1"), At(1));
  roster.Hello(2, From("node0"), At(2));
  const Outbox places = roster.Assign({}, At(3));
  EXPECT_EQ(To(places, 1).back().assignment().collector_key(),
            "node 1, ranks 2+2 of 4");
  EXPECT_EQ(To(places, 2).back().assignment().collector_key(),
            "node 0, ranks 0+2 of 4");
  for (const Member& member : roster.members()) {
    EXPECT_EQ(member.assignment.collector_key(), "") << "only sent";
  }
}

TEST(Roster, ANodeThatCannotTakePartFailsTheJobOnceAllAreThere) {
  Roster roster = Gathering(3, 3);
  muster::Hello unable = From("node2", std::nullopt, 3);
  unable.mutable_node()->set_problem("--input D=/d: not a directory");
  const Outbox early = roster.Hello(1, unable, At(1));
  EXPECT_EQ(roster.state(), Roster::State::kGathering);
  EXPECT_TRUE(To(early, 1)[0].has_welcome());
  const Outbox second = roster.Hello(2, From("node0", std::nullopt, 3), At(2));
  EXPECT_THAT(roster.Progress(), HasSubstr("; can't take part: node2"));
  muster::Hello also = From("node1", std::nullopt, 3);
  also.mutable_node()->set_problem("--output E=/e: Permission denied");

  const Outbox last = roster.Hello(3, also, At(3));
  EXPECT_EQ(roster.state(), Roster::State::kFailed);
  EXPECT_EQ(roster.report().exit_code(), 64u);
  EXPECT_EQ(roster.report().result(), RESULT_FAILED);
  for (const SessionId session : {1, 2, 3}) {
    const Cause cause = To(last, session).back().report().first_cause();
    EXPECT_EQ(cause.kind(), CAUSE_CONFIG);
    // The first by rank, whoever came first.
    EXPECT_EQ(cause.host(), "node1");
    EXPECT_EQ(cause.message(),
              "--output E=/e: Permission denied; and something of the kind on "
              "node2, see their own output");
  }
}

TEST(Roster, TellsTheWaitingOfANodeThatCannotTakePart) {
  Roster roster = Gathering(3, 3);
  roster.Hello(1, From("node0", std::nullopt, 3), At(1));
  muster::Hello unable = From("node1", std::nullopt, 3);
  unable.mutable_node()->set_problem("--input D=/d: not a directory");
  const auto told = To(roster.Hello(2, unable, At(2)), 1);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].notice().text(),
            "node1 can't take part: --input D=/d: not a directory; the job "
            "ends once all nodes are here");
}

TEST(Roster, ANodeThatCannotTakePartFailsAnElasticJobAtItsLastCall) {
  Roster roster = Gathering(1, 2);
  muster::Hello unable = HelloOf(AgreementOf(1, 2), NodeNamed("node0", 0));
  unable.mutable_node()->set_problem("--input D=/d: not a directory");
  roster.Hello(1, unable, At(1));
  const Outbox out = roster.Tick(At(59'000));
  ASSERT_EQ(roster.state(), Roster::State::kFailed);
  EXPECT_EQ(To(out, 1).back().report().exit_code(), 64u);
  EXPECT_EQ(To(out, 1).back().report().first_cause().node(), 0u);
}

TEST(Roster, GivesTheTasksOfTensorflowToTheirNodes) {
  Outbox sent;
  const auto members =
      test::SealedWith(test::TensorflowAgreement(2, Tasks(3, 1)), 1, &sent);
  ASSERT_THAT(members, SizeIs(2));
  ASSERT_THAT(members[0].assignment.tasks(), SizeIs(3));
  ASSERT_THAT(members[1].assignment.tasks(), SizeIs(1));
  const Task& last = members[1].assignment.tasks(0);
  EXPECT_EQ(last.role(), TASK_ROLE_WORKER);
  EXPECT_EQ(last.index(), 2u);
  EXPECT_EQ(last.rank(), 3u);
  EXPECT_EQ(last.address(), "10.0.0.2");
  // How many processes there are follows from the tasks.
  EXPECT_EQ(members[0].facts.workers(), 3u);
  EXPECT_EQ(members[1].assignment.first_rank(), 3u);
  EXPECT_EQ(members[1].assignment.world_size(), 4u);
  EXPECT_EQ(To(sent, 2).back().assignment().peers(0).workers(), 3u);
}

TEST(Roster, AsksEachNodeForItsWorkersWhenTensorflowNamesNoNumber) {
  const auto members =
      test::SealedWith(test::TensorflowAgreement(2, Tasks(0, 2)), 2);
  ASSERT_THAT(members, SizeIs(2));
  EXPECT_THAT(members[0].assignment.tasks(), SizeIs(3));
  EXPECT_EQ(members[1].assignment.tasks(2).index(), 3u);
}

TEST(Roster, RefusesOtherTasks) {
  Roster roster({.run_id = "run",
                 .agreement = test::TensorflowAgreement(2, Tasks(2)),
                 .our_host = "node0",
                 .join_timeout = std::chrono::seconds(60)},
                At(0));
  TaskSettings theirs = Tasks(3, 1, true, true);
  theirs.set_base_port(2222);
  const Outbox out = roster.Hello(
      1, HelloOf(test::TensorflowAgreement(2, theirs), NodeNamed("node1")),
      At(1));
  ASSERT_TRUE(out[0].message.has_refusal());
  EXPECT_EQ(out[0].message.refusal().report().first_cause().message(),
            "--worker-count is 3 on node1 and 2 on node0; "
            "--parameter-server-count is 1 on node1 and not set on node0; "
            "--chief is on on node1 and off on node0; "
            "--evaluator is on on node1 and off on node0; "
            "--base-port is 2222 on node1 and not set on node0");
}

TEST(Roster, GivesThePeersProofForAMasterThatKnowsOnlyLoopback) {
  Roster roster = Gathering(2, 2);
  muster::Hello host = From("node0");
  host.mutable_node()->set_address("127.0.0.1");
  muster::Hello peer = From("node1");
  peer.mutable_node()->set_reached("192.168.7.1");
  roster.Hello(1, host, At(1));
  roster.Hello(2, peer, At(2));
  EXPECT_EQ(roster.members()[1].assignment.master_address(), "192.168.7.1");
}

TEST(Roster, TellsEveryNodeOfEveryPeerInTheSameOrder) {
  Outbox sent;
  const std::vector<Member> members =
      test::SealedWith(AgreementOf(3, 3), 2, &sent);
  for (const Member& member : members) {
    const Assignment assignment = To(sent, member.session).back().assignment();
    ASSERT_EQ(assignment.peers_size(), 3);
    for (int i = 0; i < 3; ++i) {
      const Peer& peer = assignment.peers(i);
      EXPECT_EQ(peer.address(), members[i].facts.address());
      EXPECT_EQ(peer.host_name(), members[i].facts.host_name());
      EXPECT_EQ(peer.workers(), 2u);
    }
    EXPECT_EQ(member.assignment.peers_size(), 0) << "only sent";
  }
}

TEST(Roster, RefusesOtherSettingsAndTellsTheOthers) {
  Roster roster = Gathering(2, 2);
  roster.Hello(1, From("node0"), At(1));
  const Outbox out = roster.Hello(2, From("node7", {}, 3), At(2));
  const auto refusal = To(out, 2);
  ASSERT_THAT(refusal, SizeIs(1));
  const Report& report = refusal[0].refusal().report();
  EXPECT_EQ(report.result(), RESULT_REFUSED);
  EXPECT_EQ(report.exit_code(), 78u);
  EXPECT_EQ(report.first_cause().kind(), CAUSE_CONFIG);
  EXPECT_THAT(report.first_cause().message(),
              HasSubstr("--nnodes is 3 on node7 and 2 on node0"));
  EXPECT_THAT(To(out, 1)[0].notice().text(), HasSubstr("node7 was refused"));
  EXPECT_EQ(roster.state(), Roster::State::kGathering);
  roster.Hello(3, From("node1"), At(3));
  EXPECT_EQ(roster.state(), Roster::State::kSealed);
}

TEST(Roster, NamesEveryDifferenceAtOnce) {
  Roster roster = Gathering(2, 2);
  muster::Hello other = From("node1");
  other.mutable_agreement()->set_job_id("b");
  other.mutable_agreement()->set_muster_version("2.0");
  other.mutable_agreement()->set_framework(FRAMEWORK_PLAIN);
  other.mutable_agreement()->set_backend("nccl");
  other.mutable_agreement()->set_init_method("file:///x");
  other.mutable_agreement()->set_command(1, "other.py");
  const std::string message = To(roster.Hello(1, other, At(1)), 1)[0]
                                  .refusal()
                                  .report()
                                  .first_cause()
                                  .message();
  for (const char* name : {"the muster version", "--rdzv-id", "--framework",
                           "--backend", "--init-method", "the command"}) {
    EXPECT_THAT(message, HasSubstr(name));
  }
}

TEST(Roster, RefusesARankThatIsHeldOrTooLarge) {
  Roster roster = Gathering(2, 2);
  roster.Hello(1, From("node0", 1), At(1));
  EXPECT_THAT(To(roster.Hello(2, From("node5", 1), At(2)), 2)[0]
                  .refusal()
                  .report()
                  .first_cause()
                  .message(),
              HasSubstr("already held by node0"));
  EXPECT_THAT(To(roster.Hello(3, From("node6", 2), At(2)), 3)[0]
                  .refusal()
                  .report()
                  .first_cause()
                  .message(),
              HasSubstr("not below --nnodes 2"));
}

TEST(Roster, FreesTheRankOfANodeThatLeft) {
  Roster roster = Gathering(2, 2);
  roster.Hello(1, From("node0", 0), At(1));
  roster.Leave(1, "it hung up");
  EXPECT_TRUE(To(roster.Hello(2, From("node9", 0), At(2)), 2)[0].has_welcome());
}

TEST(Roster, TellsTheOthersWhoLeft) {
  Roster roster = Gathering(3, 3);
  roster.Hello(1, From("node0", {}, 3), At(1));
  roster.Hello(2, From("node1", {}, 3), At(1));
  const Outbox out = roster.Leave(2, "it hung up");
  ASSERT_THAT(out, SizeIs(1));
  EXPECT_EQ(out[0].to, 1u);
  EXPECT_THAT(out[0].message.notice().text(),
              HasSubstr("node1 left before the start: it hung up"));
}

TEST(Roster, ParksWhoComesAfterTheSeal) {
  Roster roster = Gathering(1, 1);
  roster.Hello(1, From("node0", {}, 1), At(1));
  const auto late = To(roster.Hello(2, From("node1", {}, 1), At(2)), 2);
  ASSERT_THAT(late, SizeIs(1));
  EXPECT_TRUE(late[0].has_parked());
  EXPECT_EQ(roster.parked().count(2), 1u);
  roster.Leave(2, "it hung up");
  EXPECT_EQ(roster.parked().count(2), 0u);
}

TEST(Roster, FailsAtTheDeadlineAndSaysWhoIsMissing) {
  Roster roster = Gathering(4, 4);
  roster.Hello(1, From("node0", 0, 4), At(1));
  roster.Hello(2, From("node2", 2, 4), At(1));
  roster.Opened(3, "ipv4:10.0.0.9:4711");
  roster.Hello(4, From("node8", {}, 5), At(1));
  roster.Rejected("a peer whose token differs");
  roster.Tick(At(59'999));
  EXPECT_EQ(roster.state(), Roster::State::kGathering);
  const Outbox out = roster.Tick(At(60'000));
  EXPECT_EQ(roster.state(), Roster::State::kFailed);
  ASSERT_THAT(out, SizeIs(2));
  const Report& report = out[0].message.report();
  EXPECT_EQ(report.exit_code(), 69u);
  EXPECT_EQ(report.first_cause().kind(), CAUSE_RENDEZVOUS);
  const std::string& message = report.first_cause().message();
  EXPECT_THAT(message, HasSubstr("2 of 4 nodes are here (node0, node2)"));
  EXPECT_THAT(message, HasSubstr("missing: node rank 1, 3"));
  EXPECT_THAT(message, HasSubstr("not registered: ipv4:10.0.0.9:4711"));
  EXPECT_THAT(message, HasSubstr("refused for other settings: node8"));
  EXPECT_THAT(message,
              HasSubstr("not authenticated: a peer whose token differs (1 "));
}

TEST(Roster, TellsNowAndThenThatItWaits) {
  Roster roster = Gathering(2, 2);
  roster.Hello(1, From("node0"), At(1));
  EXPECT_THAT(roster.Tick(At(9'999)), SizeIs(0));
  const Outbox out = roster.Tick(At(10'000));
  ASSERT_THAT(out, SizeIs(1));
  EXPECT_THAT(out[0].message.notice().text(),
              HasSubstr("waiting: 1 of 2 nodes are here (node0); missing: 1"));
  EXPECT_THAT(roster.Tick(At(10'100)), SizeIs(0));
}

TEST(Roster, TellsAboutRejectionsWithoutAFlood) {
  Roster roster = Gathering(2, 2);
  roster.Hello(1, From("node0"), At(1));
  size_t notices = 0;
  for (int i = 0; i < 1000; ++i) notices += roster.Rejected("noise").size();
  EXPECT_EQ(notices, 10u);
  EXPECT_THAT(roster.Progress(), HasSubstr("noise (1000 times)"));
}

TEST(Roster, SealsAnElasticJobAtItsMaximumAtOnce) {
  Roster roster = Gathering(1, 2);
  const Agreement agreement = AgreementOf(1, 2);
  roster.Hello(1, HelloOf(agreement, NodeNamed("node0")), At(1));
  EXPECT_EQ(roster.state(), Roster::State::kGathering);
  roster.Hello(2, HelloOf(agreement, NodeNamed("node1")), At(2));
  EXPECT_EQ(roster.state(), Roster::State::kSealed);
}

TEST(Roster, SealsAnElasticJobAfterTheLastCall) {
  Roster roster = Gathering(1, 2);
  roster.Hello(1, HelloOf(AgreementOf(1, 2), NodeNamed("node0")), At(1));
  roster.Tick(At(30'000));
  EXPECT_EQ(roster.state(), Roster::State::kGathering);
  roster.Tick(At(30'001));
  EXPECT_EQ(roster.state(), Roster::State::kSealed);
  EXPECT_EQ(roster.members()[0].assignment.node_count(), 1u);
}

TEST(Roster, ForgetsTheLastCallWhenTooFewAreLeft) {
  Roster roster = Gathering(1, 2);
  roster.Hello(1, HelloOf(AgreementOf(1, 2), NodeNamed("node0")), At(1));
  roster.Leave(1, "it hung up");
  roster.Tick(At(40'000));
  EXPECT_EQ(roster.state(), Roster::State::kGathering);
}

TEST(Roster, CancelledBeforeTheStartEndsEverywhereWithTheSignal) {
  Roster roster = Gathering(3, 3);
  roster.Hello(1, From("node0", {}, 3), At(1));
  roster.Hello(2, From("node1", {}, 3), At(1));
  const Outbox out = roster.Cancel(2, At(5));
  ASSERT_THAT(out, SizeIs(2));
  EXPECT_EQ(roster.report().result(), RESULT_CANCELLED);
  EXPECT_EQ(roster.report().exit_code(), 130u);
}

muster::Hello MpiHello(const std::string& host, const std::string& version,
                       const std::string& problem = "",
                       uint32_t exit_code = 0) {
  NodeFacts node = NodeNamed(host);
  node.mutable_mpi()->set_version(version);
  node.set_problem(problem);
  node.set_problem_exit_code(exit_code);
  return HelloOf(AgreementOf(2, 2), node);
}

TEST(Roster, FailsTheJobWhenTwoNodesHaveDifferentOpenMpis) {
  Roster roster = Gathering(2, 2);
  roster.Hello(2, MpiHello("node1", "4.0.3"), At(2));
  roster.Hello(1, MpiHello("node0", "4.1.4"), At(1));
  ASSERT_EQ(roster.state(), Roster::State::kFailed);
  EXPECT_EQ(roster.report().exit_code(), 78u);
  EXPECT_EQ(roster.report().first_cause().host(), "node1");
  EXPECT_THAT(roster.report().first_cause().message(),
              HasSubstr("node1 has Open MPI 4.0.3 and node0 has 4.1.4"));
}

TEST(Roster, FailsTheJobWhenANodeLacksOpenMpi) {
  Roster roster = Gathering(2, 2);
  roster.Hello(1, MpiHello("node0", "4.1.4"), At(1));
  roster.Hello(2, MpiHello("node1", "", "orted: not found", 127), At(2));
  ASSERT_EQ(roster.state(), Roster::State::kFailed);
  EXPECT_EQ(roster.report().exit_code(), 127u);
  EXPECT_EQ(roster.report().first_cause().kind(), CAUSE_SPAWN);
  EXPECT_EQ(roster.report().first_cause().host(), "node1");
}

// Whatever happens in whatever order: a sealed job has dense ranks, as many
// nodes as allowed, and nobody gets two assignments.
TEST(Roster, KeepsItsInvariantsUnderRandomEvents) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    const uint32_t max = 1 + random() % 5;
    const uint32_t min = 1 + random() % max;
    Roster roster = Gathering(min, max);
    std::map<SessionId, int> assignments;
    int now = 0;
    for (SessionId session = 1; session < 40; ++session) {
      Outbox out;
      now += random() % 4000;
      switch (random() % 5) {
        case 0:
          out = roster.Leave(1 + random() % session, "it hung up");
          break;
        case 1:
          out = roster.Tick(At(now));
          break;
        default: {
          std::optional<uint32_t> rank;
          if (random() % 2) rank = random() % (max + 1);
          const Agreement agreement =
              random() % 8 ? AgreementOf(min, max) : AgreementOf(9, 9);
          out = roster.Hello(
              session,
              HelloOf(agreement, NodeNamed("n" + std::to_string(random() % 10),
                                           rank, 1 + random() % 3)),
              At(now));
        }
      }
      for (const Send& send : out) {
        EXPECT_FALSE(send.message.has_assignment());
      }
    }
    const Outbox places = roster.Assign({}, At(now));
    for (const Send& send : places) ++assignments[send.to];
    if (roster.state() != Roster::State::kSealed) {
      EXPECT_TRUE(assignments.empty());
      continue;
    }
    EXPECT_GE(roster.members().size(), min);
    EXPECT_LE(roster.members().size(), max);
    EXPECT_EQ(assignments.size(), roster.members().size());
    uint32_t next = 0;
    for (size_t i = 0; i < roster.members().size(); ++i) {
      const Member& member = roster.members()[i];
      EXPECT_EQ(assignments[member.session], 1);
      EXPECT_EQ(member.assignment.node_rank(), i);
      EXPECT_EQ(member.assignment.first_rank(), next);
      next += member.facts.workers();
    }
    EXPECT_EQ(roster.members()[0].assignment.world_size(), next);
  }
}

}  // namespace
}  // namespace muster::rendezvous
