#include "launcher/fabric/ledger.h"

#include <algorithm>
#include <utility>

namespace muster::fabric {
namespace {

uint64_t KeyOf(Pair pair) { return uint64_t{pair.a} << 32 | pair.b; }

// Partners that have to be good for a conviction.
constexpr size_t kWitnesses = 2;

}  // namespace

bool IsGood(Outcome outcome, Level level) {
  return outcome == Outcome::kPass ||
         (level == Level::kHard && outcome == Outcome::kSlow);
}

Ledger::Ledger(std::vector<uint32_t> rails)
    : rails_(std::move(rails)),
      excluded_(rails_.size()),
      tests_(rails_.size()) {
  for (const uint32_t count : rails_) max_rails_ = std::max(max_rails_, count);
  rounds_.resize(max_rails_);
  passes_.resize(max_rails_);
  best_.assign(rails_.size() * max_rails_, Outcome::kFail);
  failed_with_.resize(best_.size());
}

void Ledger::Add(uint32_t round, const PairResult& result) {
  const auto [a, b] = result.pair;
  ++pair_tests_[KeyOf(result.pair)];
  ++tests_[a];
  ++tests_[b];
  const auto rails =
      std::min<size_t>(result.rails.size(), SharedRails(result.pair));
  for (uint32_t rail = 0; rail < rails; ++rail) {
    const Outcome outcome = result.rails[rail];
    Rounds& rounds = rounds_[rail];
    if (rounds.last != round) rounds = {rounds.count + 1, round};
    if (outcome != Outcome::kFail)
      passes_[rail].push_back({result.pair, outcome});
    for (const uint32_t unit : {a, b}) {
      Outcome& best = best_[Index(unit, rail)];
      best = std::min(best, outcome);
    }
    const std::tuple<Pair, uint32_t> key(result.pair, rail);
    auto history = failures_.find(key);
    if (history == failures_.end()) {
      if (outcome == Outcome::kPass) continue;
      history = failures_.try_emplace(key).first;
      failed_with_[Index(a, rail)].push_back(b);
      failed_with_[Index(b, rail)].push_back(a);
    }
    history->second.push_back({round, result.pair, rail, outcome});
  }
}

void Ledger::Exclude(uint32_t unit) { excluded_[unit] = true; }

uint32_t Ledger::SharedRails(Pair pair) const {
  return std::min(rails_[pair.a], rails_[pair.b]);
}

uint32_t Ledger::TestsOf(Pair pair) const {
  const auto found = pair_tests_.find(KeyOf(pair));
  return found == pair_tests_.end() ? 0 : found->second;
}

bool Ledger::Good(uint32_t unit, uint32_t rail, Level level) const {
  return rail < rails_[unit] && IsGood(best_[Index(unit, rail)], level);
}

bool Ledger::AnyGood(uint32_t rail, Level level) const {
  for (uint32_t unit = 0; unit < units(); ++unit) {
    if (!excluded_[unit] && Good(unit, rail, level)) return true;
  }
  return false;
}

bool Ledger::Convicted(uint32_t unit, uint32_t rail, Level level) const {
  if (rail >= rails_[unit] || Good(unit, rail, level)) return false;
  if (GoodPartnersFailed(unit, rail, level).size() >= kWitnesses) return true;
  return level == Level::kSlow && Convicted(unit, rail, Level::kHard);
}

std::vector<uint32_t> Ledger::GoodPartnersFailed(uint32_t unit, uint32_t rail,
                                                 Level level) const {
  std::vector<uint32_t> partners;
  for (const uint32_t partner : failed_with_[Index(unit, rail)]) {
    if (excluded_[partner] || !Good(partner, rail, level)) continue;
    const auto history = failures_.find({PairOf(unit, partner), rail});
    const bool failed = std::any_of(
        history->second.begin(), history->second.end(),
        [&](const Evidence& test) { return !IsGood(test.outcome, level); });
    if (failed) partners.push_back(partner);
  }
  return partners;
}

std::vector<uint32_t> Ledger::Population(uint32_t rail, Level level) const {
  std::vector<uint32_t> population;
  for (uint32_t unit = 0; unit < units(); ++unit) {
    const bool counts =
        !excluded_[unit] && rail < rails_[unit] &&
        (level == Level::kHard || !Convicted(unit, rail, Level::kHard));
    if (counts) population.push_back(unit);
  }
  return population;
}

Ledger::Edge Ledger::EdgeOf(const Histories::value_type& failure,
                            Level level) const {
  const auto& [key, history] = failure;
  const auto& [pair, rail] = key;
  const bool counts = !excluded_[pair.a] && !excluded_[pair.b] &&
                      Good(pair.a, rail, level) && Good(pair.b, rail, level);
  if (!counts) return Edge::kFine;
  const auto failures = std::count_if(
      history.begin(), history.end(),
      [&](const Evidence& test) { return !IsGood(test.outcome, level); });
  if (failures == 0) return Edge::kFine;
  if (failures > 1) return Edge::kLink;
  return IsGood(history.back().outcome, level) ? Edge::kTransient : Edge::kOpen;
}

}  // namespace muster::fabric
