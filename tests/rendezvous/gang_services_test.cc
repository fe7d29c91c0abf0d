// A job that mpirun starts: what its end and that of its daemons mean.
#include <csignal>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rendezvous/gang.h"
#include "tests/rendezvous/fixtures.h"

namespace muster::rendezvous {
namespace {

using test::At;
using test::SealedMembers;
using testing::HasSubstr;

ServiceEnded Service(const std::string& name) {
  ServiceEnded event;
  event.set_name(name);
  event.set_pid(77);
  event.set_stderr_tail("first\nlast\n");
  return event;
}

ServiceEnded Code(const std::string& name, uint32_t code) {
  ServiceEnded event = Service(name);
  event.set_exit_code(code);
  return event;
}

ServiceEnded Signal(const std::string& name, uint32_t signal) {
  ServiceEnded event = Service(name);
  event.set_signal(signal);
  return event;
}

bool Has(const Outbox& outbox, CoordinatorMessage::BodyCase body) {
  for (const Send& send : outbox) {
    if (send.message.body_case() == body) return true;
  }
  return false;
}
constexpr auto kRelease = CoordinatorMessage::kRelease;
constexpr auto kStop = CoordinatorMessage::kStop;

// Two nodes of two workers: sessions 1 and 2, ranks 0-1 and 2-3.
class GangServicesTest : public testing::Test {
 protected:
  void StartAll() {
    for (uint32_t rank = 0; rank < 4; ++rank) {
      gang.Started(rank / 2 + 1, test::Start(rank), At(10));
    }
  }
  Outbox Exit(uint32_t rank, uint32_t code, int at) {
    return gang.Exited(rank / 2 + 1, test::Exit(rank, code), At(at));
  }
  Outbox ExitAll(uint32_t code, int at) {
    Outbox last;
    for (uint32_t rank = 0; rank < 4; ++rank) last = Exit(rank, code, at);
    return last;
  }
  // After the last worker and mpirun have ended.
  const Report& Drain(int at) {
    EXPECT_EQ(gang.state(), Gang::State::kCollecting);
    gang.Drained(1, {}, At(at));
    gang.Drained(2, {}, At(at));
    EXPECT_EQ(gang.state(), Gang::State::kFinished);
    return gang.report();
  }

  Gang gang{{.run_id = "run",
             .has_launcher = true,
             .start_timeout = std::chrono::seconds(60)},
            SealedMembers(2, 2),
            At(0)};
};

TEST_F(GangServicesTest, ReleasesTheServicesAfterTheLastWorkerAndAwaitsMpirun) {
  StartAll();
  Exit(0, 0, 100);
  Exit(1, 0, 100);
  EXPECT_FALSE(Has(Exit(2, 0, 100), kRelease));
  EXPECT_TRUE(Has(Exit(3, 0, 100), kRelease));
  EXPECT_EQ(gang.state(), Gang::State::kRunning);
  gang.ServiceEnded(2, Code("orted", 1), At(110));
  gang.ServiceEnded(1, Code("mpirun", 0), At(120));
  EXPECT_EQ(Drain(130).result(), RESULT_SUCCEEDED);
}

TEST_F(GangServicesTest, FailsWhenMpirunFailsAfterRanksThatAllSucceeded) {
  StartAll();
  ExitAll(0, 100);
  gang.ServiceEnded(1, Code("mpirun", 6), At(120));
  const Report& report = Drain(130);
  EXPECT_EQ(report.exit_code(), 6u);
  EXPECT_EQ(report.first_cause().service(), "mpirun");
  EXPECT_THAT(report.first_cause().message(), HasSubstr("although"));
  EXPECT_EQ(report.first_cause().stderr_tail(1), "last");
}

TEST_F(GangServicesTest, StopsAtOnceWhenMpirunIsKilled) {
  StartAll();
  EXPECT_TRUE(
      Has(gang.ServiceEnded(1, Signal("mpirun", SIGKILL), At(50)), kStop));
  ExitAll(1, 60);
  const Report& report = Drain(100);
  EXPECT_EQ(report.exit_code(), 137u);
  EXPECT_EQ(report.first_cause().kind(), CAUSE_SIGNAL);
  EXPECT_EQ(report.first_cause().node(), 0u);
  EXPECT_FALSE(report.first_cause().has_rank());
}

TEST_F(GangServicesTest, BlamesTheKilledServiceWhenItsRanksFailedFirst) {
  StartAll();
  Exit(2, 1, 50);
  gang.ServiceEnded(2, Signal("orted", SIGKILL), At(60));
  Exit(3, 1, 61);
  Exit(0, 0, 62);
  Exit(1, 0, 62);
  gang.ServiceEnded(1, Code("mpirun", 1), At(65));
  const Report& report = Drain(100);
  EXPECT_EQ(report.exit_code(), 137u);
  EXPECT_EQ(report.first_cause().node(), 1u);
  EXPECT_EQ(report.first_cause().service(), "orted");
  ASSERT_EQ(report.others_size(), 1);
  EXPECT_EQ(report.others(0).count(), 2u);
}

TEST_F(GangServicesTest, KeepsAWorkersFailureThatIsOlderThanTheEvidence) {
  StartAll();
  Exit(2, 7, 50);
  gang.ServiceEnded(1, Signal("mpirun", SIGKILL), At(350));
  Exit(0, 0, 360);
  Exit(1, 0, 360);
  Exit(3, 0, 360);
  const Report& report = Drain(400);
  EXPECT_EQ(report.exit_code(), 7u);
  EXPECT_EQ(report.first_cause().rank(), 2u);
}

TEST_F(GangServicesTest, WaitsForEvidenceWhenMpirunEndsByItself) {
  StartAll();
  EXPECT_FALSE(Has(gang.ServiceEnded(1, Code("mpirun", 1), At(50)), kStop));
  EXPECT_FALSE(Has(gang.Tick(At(100)), kStop));
  Exit(3, 9, 120);
  EXPECT_EQ(gang.report().exit_code(), 9u);
  EXPECT_EQ(gang.report().first_cause().rank(), 3u);
}

TEST_F(GangServicesTest, BlamesMpirunWhenNothingElseExplainsItsEnd) {
  gang.ServiceEnded(1, Code("mpirun", 213), At(50));
  EXPECT_TRUE(Has(gang.Tick(At(301)), kStop));
  EXPECT_EQ(gang.report().exit_code(), 213u);
}

TEST_F(GangServicesTest, BlamesTheDaemonThatEndedBeforeMpirunDid) {
  gang.ServiceEnded(2, Code("orted", 127), At(50));
  gang.ServiceEnded(1, Code("mpirun", 1), At(60));
  gang.Tick(At(301));
  EXPECT_EQ(gang.report().exit_code(), 127u);
  EXPECT_EQ(gang.report().first_cause().node(), 1u);
}

TEST_F(GangServicesTest, BlamesTheDaemonThatFailedAndNotThoseThatMpirunEnded) {
  gang.ServiceEnded(2, Code("orted", 113), At(50));
  EXPECT_FALSE(
      Has(gang.ServiceEnded(1, Signal("orted", SIGTERM), At(60)), kStop));
  gang.ServiceEnded(1, Code("mpirun", 1), At(70));
  gang.Tick(At(301));
  EXPECT_EQ(gang.report().exit_code(), 113u);
  EXPECT_EQ(gang.report().first_cause().node(), 1u);
}

TEST_F(GangServicesTest, FailsWhenMpirunEndsWithZeroBeforeItsRanks) {
  StartAll();
  gang.ServiceEnded(1, Code("mpirun", 0), At(50));
  EXPECT_FALSE(Has(gang.Tick(At(10'049)), kStop));
  EXPECT_TRUE(Has(gang.Tick(At(10'050)), kStop));
  EXPECT_EQ(gang.report().exit_code(), 1u);
}

TEST_F(GangServicesTest, SucceedsWhenTheRanksEndsArriveAfterThatOfMpirun) {
  StartAll();
  gang.ServiceEnded(1, Code("mpirun", 0), At(50));
  EXPECT_FALSE(Has(gang.Tick(At(3'000)), kStop));
  ExitAll(0, 3'100);
  EXPECT_EQ(Drain(3'200).result(), RESULT_SUCCEEDED);
}

TEST_F(GangServicesTest, SaysWhyMpirunCouldNotBeStarted) {
  ServiceEnded event = Code("mpirun", 127);
  event.set_pid(0);
  EXPECT_TRUE(Has(gang.ServiceEnded(1, event, At(50)), kStop));
  EXPECT_EQ(gang.report().first_cause().kind(), CAUSE_SPAWN);
  EXPECT_EQ(gang.report().exit_code(), 127u);
}

TEST_F(GangServicesTest, NamesTheNodesWhoseRanksDoNotStart) {
  gang.Started(1, test::Start(0), At(5));
  const Outbox progress = gang.Tick(At(10'001));
  ASSERT_FALSE(progress.empty());
  EXPECT_THAT(progress[0].message.notice().text(),
              HasSubstr("node 0 (node0) lacks 1 of 2 ranks, "
                        "node 1 (node1) lacks 2 of 2 ranks"));
  EXPECT_TRUE(Has(gang.Tick(At(60'000)), kStop));
  EXPECT_EQ(gang.report().exit_code(), 69u);
}

TEST_F(GangServicesTest, GoesOnWithoutAnMpirunThatDoesNotEnd) {
  StartAll();
  ExitAll(0, 100);
  gang.Tick(At(10'099));
  EXPECT_EQ(gang.state(), Gang::State::kRunning);
  gang.Tick(At(10'100));
  EXPECT_EQ(Drain(10'200).exit_code(), 1u);
}

TEST_F(GangServicesTest, DoesNotAwaitTheMpirunOfALostNode) {
  StartAll();
  gang.Lost(1, "gone", At(50));
  Exit(2, 0, 60);
  Exit(3, 0, 60);
  gang.Drained(2, {}, At(70));
  EXPECT_EQ(gang.state(), Gang::State::kFinished);
  EXPECT_EQ(gang.report().exit_code(), 75u);
}

}  // namespace
}  // namespace muster::rendezvous
