// Units and links that are bad or good, and what tests of pairs of them give.
#ifndef MUSTER_TESTS_LAUNCHER_FABRIC_PRETEND_FABRIC_H_
#define MUSTER_TESTS_LAUNCHER_FABRIC_PRETEND_FABRIC_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <ostream>
#include <utility>
#include <vector>

#include "launcher/fabric/blame.h"

namespace muster::fabric {

inline void PrintTo(const Pair& pair, std::ostream* out) {
  *out << pair.a << "-" << pair.b;
}

}  // namespace muster::fabric

namespace muster::fabric::test {

struct PretendFabric {
  std::vector<uint32_t> rails;  // by unit
  // What a unit, or a link, makes of every test on a rail.
  std::map<std::pair<uint32_t, uint32_t>, Outcome> bad_units;
  std::map<std::pair<Pair, uint32_t>, Outcome> bad_links;

  explicit PretendFabric(std::vector<uint32_t> rails_of_units)
      : rails(std::move(rails_of_units)) {}
  explicit PretendFabric(uint32_t units) : rails(units, 1) {}

  // On one rail, or on all.
  void BreakUnit(uint32_t unit, Outcome outcome,
                 std::optional<uint32_t> rail = std::nullopt) {
    for (uint32_t i = 0; i < rails[unit]; ++i) {
      if (!rail || *rail == i) bad_units[{unit, i}] = outcome;
    }
  }
  void BreakLink(Pair pair, Outcome outcome,
                 std::optional<uint32_t> rail = std::nullopt) {
    for (uint32_t i = 0; i < std::min(rails[pair.a], rails[pair.b]); ++i) {
      if (!rail || *rail == i) bad_links[{pair, i}] = outcome;
    }
  }

  Outcome UnitOn(uint32_t unit, uint32_t rail) const {
    const auto found = bad_units.find({unit, rail});
    return found == bad_units.end() ? Outcome::kPass : found->second;
  }
  Outcome LinkOn(Pair pair, uint32_t rail) const {
    const auto found = bad_links.find({pair, rail});
    return found == bad_links.end() ? Outcome::kPass : found->second;
  }

  PairResult Test(Pair pair) const {
    PairResult result{pair, {}};
    for (uint32_t i = 0; i < std::min(rails[pair.a], rails[pair.b]); ++i) {
      result.rails.push_back(
          std::max({UnitOn(pair.a, i), UnitOn(pair.b, i), LinkOn(pair, i)}));
    }
    return result;
  }
};

}  // namespace muster::fabric::test

#endif  // MUSTER_TESTS_LAUNCHER_FABRIC_PRETEND_FABRIC_H_
