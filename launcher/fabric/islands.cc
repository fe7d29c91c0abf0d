#include "launcher/fabric/islands.h"

#include <algorithm>
#include <numeric>

namespace muster::fabric {
namespace {

// The root of the unit's tree; shortens the way to it.
uint32_t RootOf(uint32_t unit, std::vector<uint32_t>* parents) {
  while ((*parents)[unit] != unit) {
    (*parents)[unit] = (*parents)[(*parents)[unit]];
    unit = (*parents)[unit];
  }
  return unit;
}

}  // namespace

Islands::Islands(const Ledger& ledger, uint32_t rail, Level level) {
  std::vector<uint32_t> parents(ledger.units());
  std::iota(parents.begin(), parents.end(), 0);
  for (const auto& [pair, outcome] : ledger.passes(rail)) {
    if (!IsGood(outcome, level)) continue;
    parents[RootOf(pair.a, &parents)] = RootOf(pair.b, &parents);
  }
  std::map<uint32_t, std::vector<uint32_t>> by_root;
  for (uint32_t unit = 0; unit < ledger.units(); ++unit) {
    if (ledger.excluded(unit) || !ledger.Good(unit, rail, level)) continue;
    by_root[RootOf(unit, &parents)].push_back(unit);
  }
  for (auto& [root, units] : by_root) {
    if (units.size() < 2) continue;
    for (const uint32_t unit : units) group_of_[unit] = groups_.size();
    groups_.push_back(std::move(units));
  }
  for (const auto& [key, history] : ledger.failures()) {
    const auto& [pair, on_rail] = key;
    if (on_rail != rail) continue;
    const bool failed = std::any_of(
        history.begin(), history.end(),
        [&](const Evidence& test) { return !IsGood(test.outcome, level); });
    if (!failed) continue;
    const std::optional<size_t> a = Of(pair.a);
    const std::optional<size_t> b = Of(pair.b);
    if (b) failed_with_[pair.a].insert(*b);
    if (a) failed_with_[pair.b].insert(*a);
    if (a && b && *a != *b) failed_[std::minmax(*a, *b)].push_back(pair);
  }
}

std::optional<size_t> Islands::Of(uint32_t unit) const {
  const auto found = group_of_.find(unit);
  if (found == group_of_.end()) return std::nullopt;
  return found->second;
}

size_t Islands::Failed(size_t one, size_t other) const {
  const auto found = failed_.find(std::minmax(one, other));
  return found == failed_.end() ? 0 : found->second.size();
}

size_t Islands::Failed() const {
  size_t count = 0;
  for (const auto& [groups, pairs] : failed_) count += pairs.size();
  return count;
}

bool Islands::HasGap(size_t one, size_t other) const {
  const auto found = failed_.find(std::minmax(one, other));
  if (found == failed_.end()) return false;
  std::set<uint32_t> seen;
  bool twice = false;
  for (const Pair& pair : found->second) {
    for (const uint32_t unit : {pair.a, pair.b}) {
      twice = !seen.insert(unit).second || twice;
    }
  }
  return twice && found->second.size() >= kCrossings;
}

bool Islands::AnyGap() const {
  return std::any_of(failed_.begin(), failed_.end(), [&](const auto& entry) {
    return HasGap(entry.first.first, entry.first.second);
  });
}

bool Islands::Divided() const {
  for (size_t i = 0; i < groups_.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (!HasGap(i, j)) return false;
    }
  }
  return groups_.size() > 1;
}

std::set<size_t> Islands::FailedWith(uint32_t unit) const {
  const auto found = failed_with_.find(unit);
  return found == failed_with_.end() ? std::set<size_t>() : found->second;
}

}  // namespace muster::fabric
