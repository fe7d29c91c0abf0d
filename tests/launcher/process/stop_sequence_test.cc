#include "launcher/process/stop_sequence.h"

#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace muster::process {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using State = StopSequence::State;
using Effect = StopSequence::Effect;
using std::chrono::milliseconds;

constexpr StopSequence::Census kNobody = {0, false};
constexpr StopSequence::Census kLeftovers = {0, true};
constexpr StopSequence::Census kWorkers = {2, true};

StopSequence::Time At(int ms) {
  return StopSequence::Time() + std::chrono::hours(1) + milliseconds(ms);
}

TEST(StopSequence, LetsObedientWorkersEndBeforeTheirGrace) {
  StopSequence stop;
  EXPECT_THAT(stop.Stop(milliseconds(500), At(0), kWorkers),
              ElementsAre(Effect::kTerminateWorkers));
  EXPECT_EQ(stop.state(), State::kStopping);
  EXPECT_EQ(stop.deadline(), At(500));
  EXPECT_FALSE(stop.accepts_spawns());
  EXPECT_THAT(stop.Advance(At(10), {1, true}), IsEmpty());
  EXPECT_THAT(stop.Advance(At(20), kLeftovers), IsEmpty());
  EXPECT_EQ(stop.state(), State::kRunning);
  EXPECT_EQ(stop.deadline(), std::nullopt);
  EXPECT_TRUE(stop.accepts_spawns());
}

TEST(StopSequence, KillsAtTheDeadlineAndNotBefore) {
  StopSequence stop;
  stop.Stop(milliseconds(500), At(0), kWorkers);
  EXPECT_THAT(stop.Advance(At(499), kWorkers), IsEmpty());
  EXPECT_THAT(stop.Advance(At(500), kWorkers),
              ElementsAre(Effect::kKillWorkers));
  EXPECT_EQ(stop.state(), State::kKilling);
  EXPECT_FALSE(stop.accepts_spawns());
  EXPECT_THAT(stop.Stop(milliseconds(0), At(501), kWorkers), IsEmpty());
  stop.Advance(At(510), kNobody);
  EXPECT_EQ(stop.state(), State::kRunning);
}

TEST(StopSequence, ShortensAGraceAndNeverLengthensIt) {
  StopSequence stop;
  stop.Stop(milliseconds(1000), At(0), kWorkers);
  EXPECT_THAT(stop.Stop(milliseconds(300), At(100), kWorkers), IsEmpty());
  EXPECT_EQ(stop.deadline(), At(400));
  EXPECT_THAT(stop.Stop(milliseconds(5000), At(110), kWorkers), IsEmpty());
  EXPECT_EQ(stop.deadline(), At(400));
  EXPECT_THAT(stop.Stop(milliseconds(0), At(120), kWorkers),
              ElementsAre(Effect::kKillWorkers));
}

TEST(StopSequence, KillsAtOnceWithoutGrace) {
  for (const int grace : {0, -5}) {
    StopSequence stop;
    EXPECT_THAT(stop.Stop(milliseconds(grace), At(0), kWorkers),
                ElementsAre(Effect::kKillWorkers));
  }
}

TEST(StopSequence, HasNothingToStopWithoutWorkers) {
  StopSequence stop;
  EXPECT_THAT(stop.Stop(milliseconds(500), At(0), kLeftovers), IsEmpty());
  EXPECT_EQ(stop.state(), State::kRunning);
}

TEST(StopSequence, BoundsAnEndlessGrace) {
  StopSequence stop;
  EXPECT_THAT(stop.Stop(milliseconds::max(), At(0), kWorkers),
              ElementsAre(Effect::kTerminateWorkers));
  EXPECT_EQ(stop.deadline(), At(0) + StopSequence::kMaxGrace);
}

TEST(StopSequence, SweepsUntilNothingIsLeft) {
  StopSequence stop;
  EXPECT_THAT(stop.Finish(At(0), kLeftovers),
              ElementsAre(Effect::kTerminateDescendants));
  EXPECT_FALSE(stop.accepts_spawns());
  // What comes to light when a parent ends is asked as well.
  EXPECT_THAT(stop.Advance(At(10), kLeftovers),
              ElementsAre(Effect::kTerminateDescendants));
  EXPECT_THAT(stop.Advance(At(2000), kLeftovers),
              ElementsAre(Effect::kKillDescendants));
  EXPECT_EQ(stop.deadline(), At(2020));
  EXPECT_THAT(stop.Advance(At(2020), kLeftovers),
              ElementsAre(Effect::kKillDescendants));
  EXPECT_THAT(stop.Advance(At(2025), kNobody),
              ElementsAre(Effect::kReportFinished));
  EXPECT_TRUE(stop.accepts_spawns());
  EXPECT_EQ(stop.deadline(), std::nullopt);
}

TEST(StopSequence, ReportsAtOnceWhenNothingIsLeft) {
  StopSequence stop;
  EXPECT_THAT(stop.Finish(At(0), kNobody),
              ElementsAre(Effect::kReportFinished));
  EXPECT_TRUE(stop.accepts_spawns());
}

TEST(StopSequence, AnswersRequestsDuringASweepWithOneReport) {
  StopSequence stop;
  stop.Finish(At(0), kLeftovers);
  EXPECT_THAT(stop.Finish(At(1), kLeftovers), IsEmpty());
  EXPECT_THAT(stop.Advance(At(2), kNobody),
              ElementsAre(Effect::kReportFinished));
  EXPECT_THAT(stop.Advance(At(3), kNobody), IsEmpty());
}

TEST(StopSequence, LetsAStopShortenASweep) {
  StopSequence stop;
  stop.Finish(At(0), kLeftovers);
  EXPECT_THAT(stop.Stop(milliseconds(5000), At(1), kLeftovers), IsEmpty());
  EXPECT_EQ(stop.deadline(), At(2000));
  EXPECT_THAT(stop.Stop(milliseconds(0), At(2), kLeftovers),
              ElementsAre(Effect::kKillDescendants));
}

TEST(StopSequence, GivesUpOnWhatDoesNotDie) {
  StopSequence stop;
  stop.Finish(At(0), kLeftovers);
  stop.Advance(At(2000), kLeftovers);
  EXPECT_THAT(stop.Advance(At(11999), kLeftovers),
              ElementsAre(Effect::kKillDescendants));
  EXPECT_THAT(stop.Advance(At(12000), kLeftovers),
              ElementsAre(Effect::kReportFinished));
}

TEST(StopSequence, SweepsAndLeavesWithoutItsAgent) {
  StopSequence stop;
  EXPECT_THAT(stop.AgentLost(milliseconds(500), At(0), kWorkers),
              ElementsAre(Effect::kTerminateWorkers));
  EXPECT_THAT(stop.Advance(At(100), kLeftovers),
              ElementsAre(Effect::kTerminateDescendants));
  EXPECT_THAT(stop.Advance(At(200), kNobody), ElementsAre(Effect::kLeave));
  EXPECT_EQ(stop.state(), State::kDone);
  EXPECT_FALSE(stop.accepts_spawns());
}

TEST(StopSequence, LeavesAtOnceWhenNothingIsLeft) {
  StopSequence stop;
  EXPECT_THAT(stop.AgentLost(milliseconds(500), At(0), kNobody),
              ElementsAre(Effect::kLeave));
}

TEST(StopSequence, KillsEverythingWhenTheOrphanGraceIsOver) {
  StopSequence stop;
  stop.AgentLost(milliseconds(500), At(0), kWorkers);
  EXPECT_THAT(stop.Advance(At(500), kWorkers),
              ElementsAre(Effect::kKillDescendants));
  EXPECT_THAT(stop.Advance(At(510), kNobody), ElementsAre(Effect::kLeave));
}

TEST(StopSequence, KeepsTheShorterGraceWhenTheAgentDiesInAStop) {
  StopSequence stop;
  stop.Stop(milliseconds(300), At(0), kWorkers);
  EXPECT_THAT(stop.AgentLost(milliseconds(9000), At(100), kWorkers), IsEmpty());
  EXPECT_EQ(stop.deadline(), At(300));
}

TEST(StopSequence, KeepsTheTimeOfASweepWhenTheAgentDiesInIt) {
  StopSequence stop;
  stop.Finish(At(0), kLeftovers);
  EXPECT_THAT(stop.AgentLost(milliseconds(0), At(100), kLeftovers), IsEmpty());
  EXPECT_EQ(stop.deadline(), At(2000));
  EXPECT_THAT(stop.Advance(At(200), kNobody), ElementsAre(Effect::kLeave));
}

TEST(StopSequence, DoesNotWaitForKilledWorkersWithoutItsAgent) {
  StopSequence stop;
  stop.Stop(milliseconds(0), At(0), kWorkers);
  EXPECT_THAT(stop.AgentLost(milliseconds(9000), At(1), kWorkers),
              ElementsAre(Effect::kKillDescendants));
}

// A world of processes that obey SIGTERM, or only SIGKILL, or nothing, moved
// by random events: whatever happens, the promises hold.
TEST(StopSequence, KeepsItsPromisesInRandomRuns) {
  for (unsigned seed = 0; seed < 3000; ++seed) {
    std::mt19937 random(seed);
    const auto chance = [&](int percent) {
      return static_cast<int>(random() % 100) < percent;
    };
    StopSequence stop;
    int obedient = 0, stubborn = 0, leftovers = 0;
    int now = 0, lost_at = -1, reports = 0, requests = 0;
    int allowed_kill = 1 << 30;  // the earliest time for SIGKILL to workers
    const auto alive = [&] {
      return StopSequence::Census{obedient + stubborn,
                                  obedient + stubborn + leftovers > 0};
    };
    const auto apply = [&](const StopSequence::Effects& effects) {
      for (const Effect effect : effects) {
        switch (effect) {
          case Effect::kTerminateWorkers:
            obedient = 0;
            break;
          case Effect::kKillWorkers:
            ASSERT_GE(now, allowed_kill) << "seed " << seed;
            obedient = stubborn = 0;
            break;
          case Effect::kTerminateDescendants:
            obedient = 0;
            if (chance(50)) leftovers = 0;
            break;
          case Effect::kKillDescendants:
            ASSERT_GE(now, allowed_kill) << "seed " << seed;
            obedient = stubborn = 0;
            // Some are forked meanwhile and escape a round.
            if (chance(70)) leftovers = 0;
            break;
          case Effect::kReportFinished:
            ASSERT_LT(lost_at, 0);
            ++reports;
            break;
          case Effect::kLeave:
            ASSERT_GE(lost_at, 0);
            ASSERT_FALSE(alive().children) << "seed " << seed;
            break;
        }
      }
    };
    while (stop.state() != State::kDone) {
      ASSERT_LT(now, 100000) << "it never ends, seed " << seed;
      if (stop.state() == State::kRunning) allowed_kill = 1 << 30;
      if (stop.accepts_spawns() && chance(50)) {
        ++(chance(50) ? obedient : stubborn);
        if (chance(30)) ++leftovers;
      }
      const int grace = static_cast<int>(random() % 1000);
      if (lost_at < 0 && chance(10)) {
        allowed_kill = std::min(allowed_kill, now + grace);
        apply(stop.Stop(milliseconds(grace), At(now), alive()));
      } else if (lost_at < 0 && chance(5)) {
        if (stop.state() != State::kSweeping &&
            stop.state() != State::kSweepKilling) {
          ++requests;
        }
        allowed_kill = std::min(allowed_kill, now + 2000);
        apply(stop.Finish(At(now), alive()));
      } else if (lost_at < 0 && now > 20000) {
        // A sweep that the agent waited for ends without a report.
        requests = reports;
        allowed_kill = std::min(allowed_kill, now + grace);
        lost_at = now;
        apply(stop.AgentLost(milliseconds(grace), At(now), alive()));
        // After it, leftovers may need the sweep's kill at any time.
        allowed_kill = std::min(allowed_kill, now + grace + 2000);
      }
      if (chance(50)) apply(stop.Advance(At(now), alive()));
      now += static_cast<int>(random() % 200);
      if (stop.deadline().has_value() && At(now) >= *stop.deadline()) {
        apply(stop.Advance(At(now), alive()));
      }
    }
    EXPECT_EQ(reports, requests);
    EXPECT_LT(now - lost_at, 1000 + 2000 + 10000);
  }
}

}  // namespace
}  // namespace muster::process
