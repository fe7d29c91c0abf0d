#include "launcher/fabric/round_planner.h"

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>
#include <utility>

#include "launcher/fabric/pairing.h"

namespace muster::fabric {
namespace {

// Healthy rounds that are looked at for units that are free in the first one.
constexpr uint32_t kLookAhead = 3;
// A pair that has no other partners is tested so often.
constexpr uint32_t kSamePair = 2;
constexpr uint32_t kNobody = std::numeric_limits<uint32_t>::max();

}  // namespace

std::vector<PlannedPair> RoundPlanner::Next(const Ledger& ledger,
                                            uint32_t done) {
  ledger_ = &ledger;
  if (done == 0) {
    members_.clear();
    for (uint32_t unit = 0; unit < ledger_->units(); ++unit) {
      if (!ledger_->excluded(unit)) members_.push_back(unit);
    }
  }
  round_.clear();
  busy_.assign(ledger_->units(), false);
  for (uint32_t unit = 0; unit < ledger_->units(); ++unit) {
    busy_[unit] = ledger_->excluded(unit);
  }
  planned_.assign(ledger_->units(), kNobody);
  if (done < HealthyRounds()) {
    for (const auto& [pair, purpose] : HealthyRound(done)) {
      planned_[pair.a] = pair.b;
      planned_[pair.b] = pair.a;
    }
  }
  FindNeeds();
  FindOpenEdges();
  FindIslands();
  PlanSuspects();
  PlanOpenEdges();
  const GapPlanner gaps(
      *ledger_,
      {.is_free = [this](uint32_t unit) { return IsFree(unit); },
       .take = [this](Pair pair, Purpose purpose) { Take(pair, purpose); }});
  gaps.Plan(islands_, done);
  PlanBlind(done);
  PlanHealthy(done);
  return std::move(round_);
}

void RoundPlanner::FindNeeds() {
  needs_.assign(ledger_->units(), {});
  for (uint32_t rail = 0; rail < ledger_->max_rails(); ++rail) {
    for (const Level level : kLevels) {
      const std::vector<uint32_t> population = ledger_->Population(rail, level);
      if (population.size() < 2) continue;
      const bool blind = !ledger_->AnyGood(rail, level);
      const bool too_often = ledger_->RoundsOf(rail) >= kBlindRounds;
      if (blind && too_often && population.size() > 2) continue;
      for (const uint32_t unit : population) {
        if (ledger_->Good(unit, rail, level) ||
            ledger_->Convicted(unit, rail, level)) {
          continue;
        }
        Need need{rail, level, blind, std::nullopt};
        if (population.size() == 2) {
          need.only_other = population[unit == population[0] ? 1 : 0];
        }
        needs_[unit].push_back(need);
      }
    }
  }
}

void RoundPlanner::FindOpenEdges() {
  open_.clear();
  waits_.assign(ledger_->units(), false);
  for (const auto& failure : ledger_->failures()) {
    const auto& [pair, rail] = failure.first;
    if (!open_.empty() && open_.back() == pair) continue;
    for (const Level level : kLevels) {
      if (ledger_->EdgeOf(failure, level) != Ledger::Edge::kOpen) continue;
      open_.push_back(pair);
      waits_[pair.a] = waits_[pair.b] = true;
      break;
    }
  }
}

// Where all is well nobody asks.
void RoundPlanner::FindIslands() {
  islands_.clear();
  given_.clear();
  std::set<uint32_t> rails;
  for (const auto& [key, history] : ledger_->failures()) {
    rails.insert(std::get<1>(key));
  }
  for (const uint32_t rail : rails) {
    for (const Level level : kLevels) {
      islands_.try_emplace({rail, level}, *ledger_, rail, level);
    }
  }
}

void RoundPlanner::PlanSuspects() {
  std::vector<uint32_t> suspects;
  for (const uint32_t unit : members_) {
    const bool has_good =
        std::any_of(needs_[unit].begin(), needs_[unit].end(),
                    [](const Need& need) { return !need.blind; });
    if (has_good && IsFree(unit)) suspects.push_back(unit);
  }
  // Who was tested least comes first, above all the one that was left over of
  // an odd number.
  std::stable_sort(suspects.begin(), suspects.end(),
                   [&](uint32_t one, uint32_t other) {
                     return ledger_->TestsOf(one) < ledger_->TestsOf(other);
                   });
  for (const uint32_t unit : suspects) {
    if (IsFree(unit) && !PlanWithGoodPartner(unit)) {
      PlanWithSameGoodPartner(unit);
    }
  }
}

// False when no good partner is new to the unit; true also when all of those
// are busy.
bool RoundPlanner::PlanWithGoodPartner(uint32_t unit) {
  const size_t n = members_.size();
  const auto place = static_cast<size_t>(
      std::lower_bound(members_.begin(), members_.end(), unit) -
      members_.begin());
  bool any = false;
  int best_score = 0;
  uint32_t best = 0;
  // From the far side on, so that not all begin with the same one.
  for (size_t i = 0; i < n; ++i) {
    const uint32_t partner = members_[(place + n / 2 + i) % n];
    if (partner == unit || ledger_->excluded(partner)) continue;
    const auto covered = static_cast<int>(std::count_if(
        needs_[unit].begin(), needs_[unit].end(), [&](const Need& need) {
          return ledger_->Good(partner, need.rail, need.level);
        }));
    if (covered == 0 || ledger_->TestsOf(PairOf(unit, partner)) != 0) continue;
    any = true;
    if (!IsFree(partner)) continue;
    // Better one that is not joined to those with whom it failed, lest a gap
    // between two groups look like a bad unit; that nobody else is waiting for;
    // of a group that nobody else was given; and with which it would be tested
    // anyway.
    const Ties ties = TiesOf(unit, partner);
    const int score = 32 * covered + (ties.failed ? 0 : 16) +
                      (needs_[partner].empty() ? 8 : 0) +
                      (waits_[partner] ? 0 : 4) + (ties.given ? 0 : 2) +
                      (planned_[unit] == partner ? 1 : 0);
    if (score > best_score) {
      best_score = score;
      best = partner;
    }
  }
  if (best_score > 0) {
    for (const Need& need : needs_[unit]) {
      const auto islands = islands_.find({need.rail, need.level});
      if (islands == islands_.end()) continue;
      if (const auto part = islands->second.Of(best)) {
        given_.insert({need.rail, need.level, *part});
      }
    }
    Take(PairOf(unit, best),
         ledger_->TestsOf(unit) == 0 ? Purpose::kUntested : Purpose::kSuspect);
  }
  return any;
}

RoundPlanner::Ties RoundPlanner::TiesOf(uint32_t unit, uint32_t partner) const {
  Ties ties;
  for (const Need& need : needs_[unit]) {
    const auto islands = islands_.find({need.rail, need.level});
    if (islands == islands_.end()) continue;
    const std::optional<size_t> part = islands->second.Of(partner);
    if (!part) continue;
    ties.failed =
        ties.failed || islands->second.FailedWith(unit).contains(*part);
    ties.given = ties.given || given_.contains({need.rail, need.level, *part});
  }
  return ties;
}

// There is only one good partner: whether it fails with that one again.
void RoundPlanner::PlanWithSameGoodPartner(uint32_t unit) {
  for (const Need& need : needs_[unit]) {
    for (const uint32_t partner :
         ledger_->GoodPartnersFailed(unit, need.rail, need.level)) {
      const Pair pair = PairOf(unit, partner);
      if (IsFree(partner) && ledger_->TestsOf(pair) < kSamePair) {
        Take(pair, Purpose::kAgain);
        return;
      }
    }
  }
}

void RoundPlanner::PlanOpenEdges() {
  for (const Pair pair : open_) {
    if (IsFree(pair.a) && IsFree(pair.b)) Take(pair, Purpose::kAgain);
  }
}

bool RoundPlanner::MayMeetBlindly(uint32_t one, uint32_t other) const {
  const Pair pair = PairOf(one, other);
  const uint32_t shared = ledger_->SharedRails(pair);
  const uint32_t tests = ledger_->TestsOf(pair);
  for (const uint32_t unit : {one, other}) {
    for (const Need& need : needs_[unit]) {
      if (need.rail >= shared) continue;
      if (tests == 0) return true;
      const uint32_t partner = unit == one ? other : one;
      const bool only_two = need.blind && need.only_other == partner;
      if (only_two && tests < kSamePair) return true;
    }
  }
  return false;
}

void RoundPlanner::PlanBlind(uint32_t done) {
  const auto left_over = [&](uint32_t unit) {
    return IsFree(unit) && !needs_[unit].empty();
  };
  if (done < HealthyRounds()) {
    for (const auto& [pair, purpose] : HealthyRound(done)) {
      if (left_over(pair.a) && left_over(pair.b) &&
          ledger_->TestsOf(pair) == 0 && MayMeetBlindly(pair.a, pair.b)) {
        Take(pair, purpose);
      }
    }
  }
  for (size_t i = 0; i < members_.size(); ++i) {
    for (size_t j = i + 1; j < members_.size() && left_over(members_[i]); ++j) {
      if (!left_over(members_[j])) continue;
      if (!MayMeetBlindly(members_[i], members_[j])) continue;
      const Pair pair = PairOf(members_[i], members_[j]);
      Take(pair,
           ledger_->TestsOf(pair) == 0 ? Purpose::kOthers : Purpose::kAgain);
    }
  }
}

bool RoundPlanner::IsHealthy(uint32_t unit) const {
  if (ledger_->excluded(unit)) return false;
  const Level level = options_.exhaustive ? Level::kHard : Level::kSlow;
  for (uint32_t rail = 0; rail < ledger_->rails(unit); ++rail) {
    if (ledger_->Good(unit, rail, level)) return true;
  }
  return false;
}

void RoundPlanner::PlanHealthy(uint32_t done) {
  if (!options_.exhaustive && done >= options_.healthy_rounds) return;
  std::vector<bool> healthy(ledger_->units());
  for (const uint32_t unit : members_) healthy[unit] = IsHealthy(unit);
  uint32_t incomplete = 0;
  for (uint32_t index = first_healthy_;
       index < HealthyRounds() && incomplete < kLookAhead; ++index) {
    bool complete = true;
    for (const auto& [pair, purpose] : HealthyRound(index)) {
      const bool open =
          healthy[pair.a] && healthy[pair.b] && ledger_->TestsOf(pair) == 0;
      if (!open) continue;
      complete = false;
      if (IsFree(pair.a) && IsFree(pair.b)) Take(pair, purpose);
    }
    if (!complete) ++incomplete;
    // A unit that is not healthy yet may be so later, but not after the pairs
    // of this round have all been tested or given up.
    if (complete && index == first_healthy_ && round_.empty()) ++first_healthy_;
  }
}

uint32_t RoundPlanner::HealthyRounds() const {
  const uint32_t circle = CircleRounds(static_cast<uint32_t>(members_.size()));
  return options_.exhaustive || circle == 0 ? circle : circle + 2;
}

std::vector<PlannedPair> RoundPlanner::HealthyRound(uint32_t index) const {
  const auto n = static_cast<uint32_t>(members_.size());
  std::vector<Pair> places;
  Purpose purpose = Purpose::kOthers;
  if (options_.exhaustive) {
    places = Circle(n, index);
  } else if (index == 0) {
    places = Neighbours(n);
    purpose = Purpose::kNeighbours;
  } else if (index == 1) {
    places = Strides(n);
    purpose = Purpose::kAcross;
  } else {
    places = Circle(n, index - 2);
  }
  std::vector<PlannedPair> round;
  for (const Pair place : places) {
    round.push_back({PairOf(members_[place.a], members_[place.b]), purpose});
  }
  return round;
}

void RoundPlanner::Take(Pair pair, Purpose purpose) {
  busy_[pair.a] = busy_[pair.b] = true;
  round_.push_back({pair, purpose});
}

}  // namespace muster::fabric
