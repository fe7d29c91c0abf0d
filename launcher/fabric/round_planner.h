// Which pairs are tested next.
#ifndef MUSTER_LAUNCHER_FABRIC_ROUND_PLANNER_H_
#define MUSTER_LAUNCHER_FABRIC_ROUND_PLANNER_H_

#include <cstdint>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "launcher/fabric/gap_planner.h"
#include "launcher/fabric/ledger.h"
#include "launcher/fabric/planned_pair.h"

namespace muster::fabric {

// Job: plan rounds of disjoint pairs, so that the ledger says as soon as
// possible of every unit, on every rail, whether it is good or convicted, and
// of every link that failed, whether it fails again. One round holds, as far as
// units are free for it:
//
//   1. who is neither good nor convicted, with a good partner that is new to it
//   2. pairs that failed although both are good with others
//   3. pairs that tell gaps between groups of units from bad units and from
//      bad links (gap_planner.h)
//   4. those who are left of 1 among themselves: all of them in the first
//      round, and while nobody has passed, for kBlindRounds rounds
//   5. good units in the pairs of a healthy round: neighbours, then strides,
//      then the circle's rounds
//
// The fifth makes no round of its own beyond `healthy_rounds`; with
// `exhaustive` it goes on, in the circle's order, until every pair of units
// that work was tested. Threads: one at a time.
class RoundPlanner {
 public:
  struct Options {
    uint32_t healthy_rounds = 2;
    bool exhaustive = false;
  };
  static constexpr uint32_t kBlindRounds = 3;

  explicit RoundPlanner(Options options) : options_(options) {}

  // Empty: there is nothing left to learn. `done` rounds are in the ledger,
  // which is the same one each time.
  std::vector<PlannedPair> Next(const Ledger& ledger, uint32_t done);

 private:
  // A rail of a unit of which is not known whether it is good.
  struct Need {
    uint32_t rail = 0;
    Level level = Level::kHard;
    bool blind = false;                  // nobody is good there
    std::optional<uint32_t> only_other;  // there are just these two
  };

  // What two units that may meet have to do with each other's groups.
  struct Ties {
    bool failed = false;  // one has failed with the other's
    bool given = false;   // somebody else meets that group in this round
  };

  void FindNeeds();
  void FindOpenEdges();
  void FindIslands();
  void PlanSuspects();
  bool PlanWithGoodPartner(uint32_t unit);
  Ties TiesOf(uint32_t unit, uint32_t partner) const;
  void PlanWithSameGoodPartner(uint32_t unit);
  void PlanOpenEdges();
  void PlanBlind(uint32_t done);
  void PlanHealthy(uint32_t done);
  bool MayMeetBlindly(uint32_t one, uint32_t other) const;
  bool IsHealthy(uint32_t unit) const;
  // Of all members; there are so many.
  std::vector<PlannedPair> HealthyRound(uint32_t index) const;
  uint32_t HealthyRounds() const;
  bool IsFree(uint32_t unit) const { return !busy_[unit]; }
  void Take(Pair pair, Purpose purpose);

  Options options_;
  std::vector<uint32_t> members_;  // who was not excluded from the start
  uint32_t first_healthy_ = 0;     // the rounds before it are complete

  // Of the round that is being planned:
  const Ledger* ledger_ = nullptr;
  std::vector<PlannedPair> round_;
  std::vector<uint32_t> planned_;         // by unit: whom it would meet anyway
  std::vector<bool> busy_;                // by unit
  std::vector<std::vector<Need>> needs_;  // by unit
  IslandsByRail islands_;
  std::set<std::tuple<uint32_t, Level, size_t>> given_;
  std::vector<Pair> open_;   // pairs to be tested again
  std::vector<bool> waits_;  // by unit: it is in one of those
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_ROUND_PLANNER_H_
