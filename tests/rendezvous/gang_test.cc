#include "rendezvous/gang.h"

#include <csignal>
#include <optional>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/rendezvous/fixtures.h"

namespace muster::rendezvous {
namespace {

using test::At;
using test::Exit;
using test::SealedMembers;
using test::Start;
using test::Tasks;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

WorkerExited Die(uint32_t rank, uint32_t signal) {
  WorkerExited event;
  event.set_rank(rank);
  event.set_signal(signal);
  return event;
}

NodeDrained Bytes(uint64_t logs, uint64_t outputs) {
  NodeDrained event;
  event.set_log_bytes(logs);
  event.set_output_bytes(outputs);
  return event;
}

NodeDrained Lacking(uint64_t bytes, const std::string& what) {
  NodeDrained event = Bytes(10, 20);
  event.mutable_missing()->set_bytes(bytes);
  event.mutable_missing()->set_message(what);
  return event;
}

ServiceEnded MpirunEnded(uint32_t code) {
  ServiceEnded event;
  event.set_name("mpirun");
  event.set_pid(9);
  event.set_exit_code(code);
  return event;
}

// Two nodes of two workers: sessions 1 and 2, ranks 0-1 and 2-3.
class GangTest : public testing::Test {
 protected:
  void StartAll() {
    for (uint32_t rank = 0; rank < 4; ++rank) {
      gang.Started(rank / 2 + 1, Start(rank), At(100));
    }
  }
  void EndAll() {
    for (uint32_t rank = 0; rank < 4; ++rank) {
      gang.Exited(rank / 2 + 1, Exit(rank, 0), At(300));
    }
  }
  size_t Stops(const Outbox& outbox, bool now = false) {
    size_t stops = 0;
    for (const Send& send : outbox) {
      if (send.message.has_stop() && send.message.stop().now() == now) ++stops;
    }
    return stops;
  }

  Gang gang{{.run_id = "run", .join_seconds = 1.5}, SealedMembers(2, 2), At(0)};
};

TEST_F(GangTest, SucceedsWhenAllEndWithZeroAndAllOutputIsIn) {
  StartAll();
  EXPECT_EQ(gang.state(), Gang::State::kRunning);
  for (uint32_t rank = 0; rank < 4; ++rank) {
    EXPECT_THAT(gang.Exited(rank / 2 + 1, Exit(rank, 0), At(2100)), SizeIs(0));
  }
  EXPECT_EQ(gang.state(), Gang::State::kCollecting);
  EXPECT_THAT(gang.Drained(1, Bytes(10, 20), At(2200)), SizeIs(0));
  const Outbox out = gang.Drained(2, Bytes(1, 2), At(2300));
  EXPECT_EQ(gang.state(), Gang::State::kFinished);
  ASSERT_THAT(out, SizeIs(2));
  const Report& report = out[0].message.report();
  EXPECT_EQ(report.result(), RESULT_SUCCEEDED);
  EXPECT_EQ(report.exit_code(), 0u);
  EXPECT_FALSE(report.has_first_cause());
  EXPECT_EQ(report.log_bytes(), 11u);
  EXPECT_EQ(report.output_bytes(), 22u);
  EXPECT_EQ(report.world_size(), 4u);
  EXPECT_DOUBLE_EQ(report.durations().join(), 1.5);
  EXPECT_DOUBLE_EQ(report.durations().start(), 0.1);
  EXPECT_DOUBLE_EQ(report.durations().run(), 2.0);
  EXPECT_DOUBLE_EQ(report.durations().collect(), 0.2);
}

TEST_F(GangTest, StopsAllNodesAtTheFirstFailureAndKeepsItsCode) {
  StartAll();
  const Outbox out =
      gang.Exited(2, Exit(3, 17, "one\ntwo\nValueError: no\n"), At(300));
  EXPECT_EQ(Stops(out), 2u);
  gang.Exited(2, Die(2, SIGTERM), At(310));
  gang.Exited(1, Exit(0, 1), At(311));
  gang.Exited(1, Die(1, SIGKILL), At(312));
  gang.Drained(1, Bytes(0, 0), At(320));
  gang.Drained(2, Bytes(0, 0), At(320));
  ASSERT_EQ(gang.state(), Gang::State::kFinished);
  const Report& report = gang.report();
  EXPECT_EQ(report.exit_code(), 17u);
  EXPECT_EQ(report.first_cause().kind(), CAUSE_EXIT);
  EXPECT_EQ(report.first_cause().rank(), 3u);
  EXPECT_EQ(report.first_cause().local_rank(), 1u);
  EXPECT_EQ(report.first_cause().node(), 1u);
  EXPECT_EQ(report.first_cause().host(), "node1");
  EXPECT_EQ(report.first_cause().pid(), 1003);
  EXPECT_THAT(report.first_cause().stderr_tail(),
              ElementsAre("one", "two", "ValueError: no"));
  ASSERT_THAT(report.others(), SizeIs(2));
  EXPECT_EQ(report.others(0).kind(), CAUSE_CANCELLED);
  EXPECT_THAT(report.others(0).ranks(), ElementsAre(1u, 2u));
  EXPECT_EQ(report.others(0).count(), 2u);
  EXPECT_EQ(report.others(1).kind(), CAUSE_EXIT);
}

TEST_F(GangTest, KeepsTheLastTwentyLinesOfStderr) {
  StartAll();
  std::string tail;
  for (int i = 0; i < 30; ++i) tail += "line " + std::to_string(i) + "\n";
  gang.Exited(1, Exit(0, 1, tail + "unfinished"), At(300));
  const Cause& cause = gang.report().first_cause();
  ASSERT_THAT(cause.stderr_tail(), SizeIs(20));
  EXPECT_EQ(cause.stderr_tail(0), "line 11");
  EXPECT_EQ(cause.stderr_tail(19), "unfinished");
}

TEST_F(GangTest, ADeathBySignalBecomes128PlusItsNumber) {
  StartAll();
  gang.Exited(1, Die(0, SIGSEGV), At(300));
  EXPECT_EQ(gang.report().exit_code(), 139u);
  EXPECT_EQ(gang.report().first_cause().kind(), CAUSE_SIGNAL);
  EXPECT_EQ(gang.report().first_cause().signal(), 11u);
}

TEST_F(GangTest, AWorkerThatCannotStartStopsTheOthers) {
  gang.Started(1, Start(0), At(10));
  WorkerNotStarted event;
  event.set_rank(2);
  event.set_exit_code(127);
  event.set_message("exec: 'trian.py' was not found");
  EXPECT_EQ(Stops(gang.NotStarted(2, event, At(20))), 2u);
  EXPECT_EQ(gang.report().first_cause().kind(), CAUSE_SPAWN);
  EXPECT_EQ(gang.report().exit_code(), 127u);
}

TEST_F(GangTest, ALostNodeStopsTheOthersWith75) {
  StartAll();
  EXPECT_EQ(Stops(gang.Lost(2, "its agent hung up", At(500))), 2u);
  gang.Exited(1, Die(0, SIGTERM), At(510));
  gang.Exited(1, Die(1, SIGTERM), At(510));
  gang.Drained(1, Bytes(0, 0), At(520));
  EXPECT_EQ(gang.state(), Gang::State::kFinished);
  EXPECT_EQ(gang.report().exit_code(), 75u);
  EXPECT_EQ(gang.report().first_cause().kind(), CAUSE_NODE_LOST);
  EXPECT_THAT(gang.report().first_cause().message(),
              HasSubstr("node 1 (node1, 10.0.0.2) was lost: its agent hung"));
}

TEST_F(GangTest, ANodeLostAfterItsOutputArrivedIsStillMissed) {
  StartAll();
  gang.Exited(2, Exit(2, 0), At(300));
  gang.Exited(2, Exit(3, 0), At(300));
  gang.Drained(2, Bytes(0, 0), At(310));
  gang.Lost(2, "its agent hung up", At(320));
  EXPECT_EQ(gang.report().first_cause().kind(), CAUSE_NODE_LOST);
}

TEST_F(GangTest, AKeeperThatDiedEndsItsNodeAndTheJob) {
  StartAll();
  EXPECT_EQ(Stops(gang.NodeFailed(1, "its keeper was killed", At(400))), 2u);
  gang.Exited(2, Die(2, SIGTERM), At(410));
  gang.Exited(2, Die(3, SIGTERM), At(410));
  EXPECT_EQ(gang.state(), Gang::State::kCollecting);
  EXPECT_EQ(gang.report().exit_code(), 75u);
}

TEST_F(GangTest, OneSignalToEachNodeIsOneRequest) {
  StartAll();
  EXPECT_EQ(Stops(gang.Cancel(1, SIGINT, At(200))), 2u);
  EXPECT_EQ(Stops(gang.Cancel(2, SIGINT, At(201)), true), 0u);
  EXPECT_EQ(gang.report().result(), RESULT_CANCELLED);
  EXPECT_EQ(gang.report().exit_code(), 130u);
}

TEST_F(GangTest, ASecondSignalToOneNodeKillsAtOnce) {
  StartAll();
  gang.Cancel(1, SIGINT, At(200));
  const Outbox out = gang.Cancel(1, SIGINT, At(300));
  EXPECT_EQ(Stops(out, true), 2u);
  EXPECT_FALSE(out[0].message.stop().output()) << "it has its time";
}

TEST_F(GangTest, CancelledWorkersThatExitNonzeroAreNotTheCause) {
  StartAll();
  gang.Cancel(1, SIGTERM, At(200));
  gang.Exited(1, Exit(0, 1), At(210));
  EXPECT_EQ(gang.report().exit_code(), 143u);
  EXPECT_EQ(gang.report().first_cause().kind(), CAUSE_CANCELLED);
}

TEST_F(GangTest, AHostWithoutAPartInTheJobCanCancelIt) {
  StartAll();
  EXPECT_EQ(Stops(gang.Cancel("left-out", SIGINT, At(200))), 2u);
  EXPECT_EQ(gang.report().exit_code(), 130u);
  EXPECT_EQ(gang.report().first_cause().kind(), CAUSE_CANCELLED);
  EXPECT_EQ(gang.report().first_cause().host(), "left-out");
}

TEST_F(GangTest, GivesUpOnOutputThatNeverArrives) {
  StartAll();
  for (uint32_t rank = 0; rank < 4; ++rank) {
    gang.Exited(rank / 2 + 1, Exit(rank, 0), At(300));
  }
  gang.Drained(1, Bytes(0, 0), At(301));
  const int budget =
      std::chrono::duration_cast<std::chrono::milliseconds>(kCollect).count();
  EXPECT_THAT(gang.Tick(At(300 + budget - 1)), SizeIs(0));
  gang.Tick(At(300 + budget));
  EXPECT_EQ(gang.state(), Gang::State::kFinished);
  EXPECT_EQ(gang.report().first_cause().kind(), CAUSE_OUTPUT);
  EXPECT_THAT(gang.report().first_cause().message(),
              HasSubstr("the output of node1 did not arrive within 60m; "));
}

TEST_F(GangTest, OutputThatIsMissingIsTheCauseWhenAllElseWasWell) {
  StartAll();
  EndAll();
  gang.Drained(2, Lacking(7, "7 bytes are in /spool"), At(400));
  gang.Drained(1, Lacking(5, "5 bytes are in /spool"), At(500));
  ASSERT_EQ(gang.state(), Gang::State::kFinished);
  const Report& report = gang.report();
  EXPECT_EQ(report.result(), RESULT_FAILED);
  EXPECT_EQ(report.exit_code(), 75u);
  EXPECT_EQ(report.first_cause().kind(), CAUSE_OUTPUT);
  EXPECT_EQ(report.first_cause().host(), "node0");
  EXPECT_EQ(report.first_cause().message(), "5 bytes are in /spool");
  EXPECT_THAT(report.others(), SizeIs(0));
  ASSERT_THAT(report.missing_output(), SizeIs(2));
  EXPECT_EQ(report.missing_output(0).node(), 0u);
  EXPECT_EQ(report.missing_output(0).bytes(), 5u);
  EXPECT_EQ(report.missing_output(1).node(), 1u);
  EXPECT_EQ(report.missing_output(1).host(), "node1");
  EXPECT_EQ(report.missing_output(1).message(), "7 bytes are in /spool");
  EXPECT_EQ(report.log_bytes(), 20u);
}

TEST_F(GangTest, OutputThatIsMissingStopsNobody) {
  StartAll();
  gang.Exited(2, Exit(2, 0), At(300));
  gang.Exited(2, Exit(3, 0), At(300));
  EXPECT_THAT(gang.Drained(2, Lacking(7, "7 bytes"), At(400)), SizeIs(0));
  EXPECT_EQ(gang.state(), Gang::State::kRunning);
  gang.Exited(1, Exit(0, 3), At(500));
  gang.Exited(1, Exit(1, 0), At(500));
  gang.Drained(1, Bytes(0, 0), At(600));
  EXPECT_EQ(gang.report().exit_code(), 3u) << "a worker's failure comes first";
  EXPECT_EQ(gang.report().first_cause().kind(), CAUSE_EXIT);
  ASSERT_THAT(gang.report().missing_output(), SizeIs(1));
}

TEST_F(GangTest, ASignalWhenAllHaveEndedChangesNoVerdict) {
  StartAll();
  EndAll();
  EXPECT_THAT(gang.Cancel(1, SIGINT, At(400)), SizeIs(0));
  gang.Drained(1, Bytes(0, 0), At(500));
  gang.Drained(2, Bytes(0, 0), At(500));
  EXPECT_EQ(gang.report().result(), RESULT_SUCCEEDED);
}

TEST_F(GangTest, ASecondSignalWhenAllHaveEndedEndsTheWaitForTheCollector) {
  StartAll();
  EndAll();
  gang.Cancel(1, SIGINT, At(400));
  const Outbox out = gang.Cancel(1, SIGINT, At(500));
  ASSERT_EQ(Stops(out, true), 2u);
  EXPECT_TRUE(out[0].message.stop().output());
  EXPECT_FALSE(gang.report().has_first_cause());
}

TEST_F(GangTest, IgnoresWhatAStrangerOrAGhostSays) {
  StartAll();
  EXPECT_THAT(gang.Exited(9, Exit(0, 1), At(300)), SizeIs(0));
  EXPECT_THAT(gang.Exited(1, Exit(3, 1), At(300)), SizeIs(0));
  gang.Exited(1, Exit(0, 0), At(300));
  EXPECT_THAT(gang.Exited(1, Exit(0, 1), At(301)), SizeIs(0));
  EXPECT_FALSE(gang.report().has_first_cause());
}

// Two nodes of a TensorFlow job, sessions 1 and 2, all started.
class TensorflowGang : public GangTest {
 protected:
  void StartTasks(const TaskSettings& settings) {
    members_ = test::SealedTasks(2, settings);
    tasks_.emplace(Gang::Options{.run_id = "run", .fabric_seconds = 0.25},
                   members_, At(0));
    for (const Member& member : members_) {
      for (const Task& task : member.assignment.tasks()) {
        tasks_->Started(member.session, Start(task.rank()), At(10));
      }
    }
    ASSERT_EQ(tasks_->state(), Gang::State::kRunning);
  }
  Outbox End(const WorkerExited& event) {
    for (const Member& member : members_) {
      if (event.rank() <
          member.assignment.first_rank() + member.facts.workers()) {
        return tasks_->Exited(member.session, event, At(++now_));
      }
    }
    return {};
  }
  void Drain() {
    tasks_->Drained(1, Bytes(0, 0), At(++now_));
    tasks_->Drained(2, Bytes(0, 0), At(++now_));
    ASSERT_EQ(tasks_->state(), Gang::State::kFinished);
  }
  void ExpectSuccess() {
    Drain();
    EXPECT_EQ(tasks_->report().result(), RESULT_SUCCEEDED);
    EXPECT_EQ(tasks_->report().exit_code(), 0u);
    EXPECT_FALSE(tasks_->report().has_first_cause());
    EXPECT_THAT(tasks_->report().others(), SizeIs(0));
  }

  std::vector<Member> members_;
  std::optional<Gang> tasks_;
  int now_ = 100;
};

// Node 0: ps 0 (rank 0), worker 0 (rank 1); node 1: worker 1 (rank 2).
TEST_F(TensorflowGang, StopsParameterServersWhenTheLastWorkerHasEnded) {
  StartTasks(Tasks(2, 1));
  EXPECT_EQ(Stops(End(Exit(2, 0))), 0u);
  EXPECT_EQ(Stops(End(Exit(1, 0))), 2u);
  EXPECT_EQ(tasks_->state(), Gang::State::kStopping);
  EXPECT_EQ(Stops(End(Die(0, SIGTERM))), 0u);
  ExpectSuccess();
  EXPECT_DOUBLE_EQ(tasks_->report().durations().fabric(), 0.25);
  EXPECT_DOUBLE_EQ(tasks_->report().durations().run(), 0.092);
  EXPECT_DOUBLE_EQ(tasks_->report().durations().stop(), 0.001);
}

TEST_F(TensorflowGang, DoesNotMindHowADismissedServerEnds) {
  for (const WorkerExited& end :
       {Exit(0, 143), Exit(0, 1), Die(0, SIGKILL), Die(0, SIGABRT)}) {
    StartTasks(Tasks(2, 1));
    End(Exit(1, 0));
    End(Exit(2, 0));
    End(end);
    ExpectSuccess();
  }
}

TEST_F(TensorflowGang, DoesNotStopAServerThatHasEndedBefore) {
  StartTasks(Tasks(2, 1));
  End(Exit(0, 0));
  End(Exit(1, 0));
  EXPECT_EQ(Stops(End(Exit(2, 0))), 0u);
  EXPECT_EQ(tasks_->state(), Gang::State::kCollecting);
  ExpectSuccess();
}

TEST_F(TensorflowGang, AServerThatFailsBeforeTheWorkersEndFailsTheJob) {
  StartTasks(Tasks(2, 1));
  EXPECT_EQ(Stops(End(Exit(0, 9))), 2u);
  End(Die(1, SIGTERM));
  End(Die(2, SIGTERM));
  Drain();
  EXPECT_EQ(tasks_->report().exit_code(), 9u);
  EXPECT_EQ(tasks_->report().first_cause().task_type(), "ps");
  EXPECT_EQ(tasks_->report().first_cause().task_index(), 0u);
}

TEST_F(TensorflowGang, NamesTheTaskThatFailed) {
  StartTasks(Tasks(2, 1));
  End(Exit(2, 3));
  EXPECT_EQ(tasks_->report().first_cause().rank(), 2u);
  EXPECT_EQ(tasks_->report().first_cause().local_rank(), 0u);
  EXPECT_EQ(tasks_->report().first_cause().task_type(), "worker");
  EXPECT_EQ(tasks_->report().first_cause().task_index(), 1u);
}

// Node 0: ps 0, chief 0, worker 0 (ranks 0-2); node 1: worker 1 (rank 3).
TEST_F(TensorflowGang, IsOverWhenTheChiefOfServersHasEnded) {
  StartTasks(Tasks(3, 1, true));
  EXPECT_EQ(Stops(End(Exit(1, 0))), 2u);
  End(Die(0, SIGTERM));
  End(Die(2, SIGTERM));
  End(Exit(3, 143));
  ExpectSuccess();
}

// Node 0: chief 0, worker 0 (ranks 0-1); node 1: worker 1 (rank 2).
TEST_F(TensorflowGang, AwaitsAllWhenThereIsNoParameterServer) {
  StartTasks(Tasks(3, 0, true));
  EXPECT_EQ(Stops(End(Exit(0, 0))), 0u);
  EXPECT_EQ(Stops(End(Exit(1, 0))), 0u);
  EXPECT_EQ(Stops(End(Exit(2, 0))), 0u);
  ExpectSuccess();
}

// Node 0: ps 0, worker 0 (ranks 0-1); node 1: worker 1, evaluator 0 (2-3).
TEST_F(TensorflowGang, AwaitsTheEvaluatorAndSaysSo) {
  StartTasks(Tasks(2, 1, false, true));
  End(Exit(1, 0));
  const Outbox told = End(Exit(2, 0));
  ASSERT_THAT(told, SizeIs(2));
  EXPECT_THAT(told[0].message.notice().text(),
              HasSubstr("waiting for the evaluator"));
  EXPECT_EQ(Stops(End(Exit(3, 0))), 2u);
  End(Die(0, SIGTERM));
  ExpectSuccess();
}

TEST_F(TensorflowGang, AnEvaluatorThatFailsFailsTheJob) {
  StartTasks(Tasks(2, 1, false, true));
  End(Exit(1, 0));
  End(Exit(2, 0));
  End(Exit(3, 4));
  End(Die(0, SIGTERM));
  Drain();
  EXPECT_EQ(tasks_->report().exit_code(), 4u);
  EXPECT_EQ(tasks_->report().first_cause().task_type(), "evaluator");
}

TEST_F(TensorflowGang, ANodeLostWhileServersAreStoppedIsMissed) {
  StartTasks(Tasks(2, 1));
  End(Exit(1, 0));
  End(Exit(2, 0));
  EXPECT_EQ(Stops(tasks_->Lost(1, "its agent hung up", At(300))), 0u);
  tasks_->Drained(2, Bytes(0, 0), At(310));
  EXPECT_EQ(tasks_->report().exit_code(), 75u);
}

TEST_F(TensorflowGang, ASecondSignalKillsServersThatDoNotStop) {
  StartTasks(Tasks(2, 1));
  End(Exit(1, 0));
  End(Exit(2, 0));
  tasks_->Cancel(1, SIGINT, At(300));
  EXPECT_EQ(Stops(tasks_->Cancel(1, SIGINT, At(310)), true), 2u);
  End(Die(0, SIGKILL));
  Drain();
  EXPECT_EQ(tasks_->report().result(), RESULT_CANCELLED);
}

// Whatever happens: it ends, the first cause never changes, and the exit code
// is 0 only when nothing went wrong.
TEST(Gang, KeepsItsInvariantsUnderRandomEvents) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    std::mt19937 random(seed);
    const uint32_t nodes = 1 + random() % 4;
    const uint32_t workers = 1 + random() % 3;
    // Every other job is one of TensorFlow with as many ranks.
    const bool tensorflow = seed % 2 == 1;
    const uint32_t servers = workers > 1 ? nodes * (workers - 1) : 0;
    const TaskSettings settings =
        Tasks(nodes * workers - servers, servers, random() % 2);
    // And some of the others are started by mpirun.
    const bool launcher = !tensorflow && random() % 2;
    Gang gang({.run_id = "run", .has_launcher = launcher},
              tensorflow ? test::SealedTasks(nodes, settings)
                         : SealedMembers(nodes, workers),
              At(0));
    std::string first;
    int now = 0;
    const auto check = [&] {
      const std::string cause = gang.report().first_cause().SerializeAsString();
      if (!first.empty()) {
        EXPECT_EQ(cause, first);
      }
      first = cause;
    };
    for (int step = 0; step < 60; ++step) {
      const SessionId session = 1 + random() % nodes;
      const uint32_t rank = random() % (nodes * workers);
      ++now;
      switch (random() % 9) {
        case 0:
        case 1:
          gang.Started(session, Start(rank), At(now));
          break;
        case 2:
        case 3:
          gang.Exited(session, Exit(rank, random() % 10 ? 0 : 3), At(now));
          break;
        case 4:
          if (random() % 6 == 0) gang.Exited(session, Die(rank, 9), At(now));
          break;
        case 5:
          if (random() % 6 == 0) gang.Lost(session, "gone", At(now));
          break;
        case 6:
          if (random() % 12 == 0) gang.Cancel(session, 15, At(now));
          break;
        case 7:
          if (random() % 12 == 0) {
            gang.ServiceEnded(session, MpirunEnded(random() % 2), At(now));
          }
          break;
        default:
          gang.Tick(At(now));
      }
      check();
    }
    for (SessionId session = 1; session <= nodes; ++session) {
      for (uint32_t rank = 0; rank < nodes * workers; ++rank) {
        gang.Exited(session, Exit(rank, 0), At(now));
      }
    }
    gang.ServiceEnded(1, MpirunEnded(0), At(now));
    for (SessionId session = 1; session <= nodes; ++session) {
      gang.Drained(session, Bytes(0, 0), At(now));
      check();
    }
    EXPECT_EQ(gang.state(), Gang::State::kFinished) << seed;
    EXPECT_EQ(gang.report().exit_code() == 0, first.empty()) << seed;
    EXPECT_EQ(gang.report().result() == RESULT_SUCCEEDED, first.empty());
  }
}

}  // namespace
}  // namespace muster::rendezvous
