#include "launcher/fabric/gap_planner.h"

#include <algorithm>
#include <utility>

namespace muster::fabric {

GapPlanner::GapPlanner(const Ledger& ledger, Hands hands)
    : ledger_(ledger), hands_(std::move(hands)) {}

void GapPlanner::Plan(const IslandsByRail& all, uint32_t done) const {
  for (const auto& entry : all) {
    const auto [rail, level] = entry.first;
    const Islands& islands = entry.second;
    const std::vector<uint32_t> convicted = Convicted(rail, level);
    // By one group alone: it may be another one's.
    const bool doubt =
        convicted.size() > 1 ||
        std::any_of(convicted.begin(), convicted.end(), [&](uint32_t unit) {
          return islands.FailedWith(unit).size() < 2;
        });
    const size_t odd = convicted.size() + islands.Failed();
    const bool many = 4 * odd > ledger_.Population(rail, level).size();
    const bool asks = many || done < kDoubtRounds;
    if (doubt && asks) Join(islands);
    const bool gap = islands.AnyGap();
    if (Cross(islands, gap)) continue;
    if (gap) Reprieve(islands, convicted);
    if (asks) TestMutually(convicted);
  }
}

std::vector<uint32_t> GapPlanner::Convicted(uint32_t rail, Level level) const {
  std::vector<uint32_t> convicted;
  for (const uint32_t unit : ledger_.Population(rail, level)) {
    if (ledger_.Convicted(unit, rail, level)) convicted.push_back(unit);
  }
  return convicted;
}

// One round joins all groups where there is no gap between them.
void GapPlanner::Join(const Islands& islands) const {
  const auto& groups = islands.groups();
  for (size_t i = 1; i < groups.size(); ++i) {
    if (islands.Failed(i - 1, i) > 0) continue;
    TakeUntested(groups[i - 1], groups[i], Purpose::kBetween);
  }
}

// Whether there is anything left to learn of the groups.
bool GapPlanner::Cross(const Islands& islands, bool gap) const {
  const auto& groups = islands.groups();
  bool any = false;
  for (size_t i = 0; i < groups.size(); ++i) {
    for (size_t j = i + 1; j < groups.size(); ++j) {
      if (islands.HasGap(i, j)) continue;
      if (!gap && islands.Failed(i, j) == 0) continue;
      // Who has failed over there already comes first.
      std::vector<uint32_t> those = groups[i];
      std::stable_partition(those.begin(), those.end(), [&](uint32_t unit) {
        return islands.FailedWith(unit).contains(j);
      });
      any = TakeUntested(those, groups[j], Purpose::kBetween) || any;
    }
  }
  return any;
}

// Who fails with all others may be well with one another, behind a gap.
void GapPlanner::TestMutually(const std::vector<uint32_t>& convicted) const {
  const auto alone = [&](uint32_t unit) {
    return std::none_of(
        convicted.begin(), convicted.end(), [&](uint32_t other) {
          return other != unit && ledger_.TestsOf(PairOf(unit, other)) != 0;
        });
  };
  for (const uint32_t unit : convicted) {
    if (!hands_.is_free(unit) || !alone(unit)) continue;
    std::vector<uint32_t> others = convicted;
    std::erase(others, unit);
    TakeUntested({unit}, others, Purpose::kOthers);
  }
}

void GapPlanner::Reprieve(const Islands& islands,
                          const std::vector<uint32_t>& convicted) const {
  for (const uint32_t unit : convicted) {
    for (size_t part = 0; part < islands.groups().size(); ++part) {
      if (islands.FailedWith(unit).contains(part)) continue;
      TakeUntested({unit}, islands.groups()[part], Purpose::kSuspect);
    }
  }
}

bool GapPlanner::TakeUntested(const std::vector<uint32_t>& those,
                              const std::vector<uint32_t>& others,
                              Purpose purpose) const {
  bool any = false;
  for (const uint32_t one : those) {
    for (const uint32_t other : others) {
      const Pair pair = PairOf(one, other);
      if (ledger_.TestsOf(pair) != 0) continue;
      any = true;
      if (!hands_.is_free(one)) break;
      if (!hands_.is_free(other)) continue;
      hands_.take(pair, purpose);
      return true;
    }
  }
  return any;
}

}  // namespace muster::fabric
