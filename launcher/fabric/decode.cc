#include "launcher/fabric/decode.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "launcher/fabric/islands.h"

namespace muster::fabric {
namespace {

using What = Blame::What;

// What is wrong on one rail.
struct Finding {
  Severity severity = Severity::kSlow;
  Confidence confidence = Confidence::kAmbiguous;
  std::vector<Evidence> edges;
  std::vector<std::vector<uint32_t>> parts;  // of a division
};
using ByRail = std::map<uint32_t, Finding>;

Severity SeverityOf(Level level) {
  return level == Level::kHard ? Severity::kHard : Severity::kSlow;
}

class Decoder {
 public:
  explicit Decoder(const Ledger& ledger) : ledger_(ledger) {
    Group();
    for (const Level level : kLevels) {
      FindUnits(level);
      FindDivisions(level);
      FindEdges(level);
      FindUndecided(level);
    }
  }

  std::vector<Blame> Blames() {
    std::vector<Blame> blames;
    for (auto& [key, rails] : found_) {
      const auto& [what, units] = key;
      Merge(what, units, &rails, &blames);
    }
    std::stable_sort(blames.begin(), blames.end(),
                     [](const Blame& one, const Blame& other) {
                       return OrderOf(one) < OrderOf(other);
                     });
    return blames;
  }

 private:
  using Key = std::tuple<What, std::vector<uint32_t>>;

  static std::tuple<bool, int> OrderOf(const Blame& blame) {
    const What what = blame.what == What::kRail ? What::kUnit : blame.what;
    return {blame.severity != Severity::kHard, static_cast<int>(what)};
  }

  // Failures by unit and by rail, of those that count.
  void Group() {
    for (const auto& [key, history] : ledger_.failures()) {
      const auto& [pair, rail] = key;
      if (ledger_.excluded(pair.a) || ledger_.excluded(pair.b)) continue;
      of_unit_[{pair.a, rail}].push_back({pair.b, &history});
      of_unit_[{pair.b, rail}].push_back({pair.a, &history});
      of_rail_[rail].push_back(&history);
    }
  }

  bool Has(What what, const std::vector<uint32_t>& units, uint32_t rail) const {
    const auto found = found_.find({what, units});
    return found != found_.end() && found->second.contains(rail);
  }

  void FindUnits(Level level) {
    for (const auto& [key, failures] : of_unit_) {
      const auto [unit, rail] = key;
      if (ledger_.Good(unit, rail, level)) continue;
      if (Has(What::kUnit, {unit}, rail)) continue;  // of worse
      const std::vector<uint32_t> partners =
          ledger_.GoodPartnersFailed(unit, rail, level);
      if (partners.empty()) continue;
      Finding finding{SeverityOf(level), partners.size() > 1
                                             ? Confidence::kConfirmed
                                             : Confidence::kProbable};
      for (const auto& [partner, history] : failures) {
        if (!ledger_.Good(partner, rail, level)) continue;
        finding.edges.insert(finding.edges.end(), history->begin(),
                             history->end());
      }
      found_[{What::kUnit, {unit}}][rail] = std::move(finding);
    }
  }

  void FindDivisions(Level level) {
    for (const auto& [rail, histories] : of_rail_) {
      const Islands islands(ledger_, rail, level);
      if (!islands.Divided()) continue;
      Finding finding{.severity = SeverityOf(level),
                      .confidence = Confidence::kConfirmed,
                      .parts = islands.groups()};
      for (const std::vector<Evidence>* history : histories) {
        const Pair pair = history->front().pair;
        const std::optional<size_t> a = islands.Of(pair.a);
        const std::optional<size_t> b = islands.Of(pair.b);
        if (!a || !b || *a == *b) continue;
        across_.insert({pair, rail});
        finding.edges.insert(finding.edges.end(), history->begin(),
                             history->end());
      }
      // Rails that are divided in the same way are one finding.
      std::vector<uint32_t> key;
      for (const std::vector<uint32_t>& part : finding.parts) {
        key.insert(key.end(), part.begin(), part.end());
        key.push_back(ledger_.units());
      }
      found_[{What::kDivided, key}].try_emplace(rail, std::move(finding));
    }
  }

  void FindEdges(Level level) {
    for (const auto& failure : ledger_.failures()) {
      const auto& [key, history] = failure;
      const auto& [pair, rail] = key;
      if (across_.contains({pair, rail})) continue;
      const Ledger::Edge edge = ledger_.EdgeOf(failure, level);
      const std::vector<uint32_t> units = {pair.a, pair.b};
      if (edge == Ledger::Edge::kLink && !Has(What::kLink, units, rail)) {
        found_[{What::kLink, units}][rail] = {SeverityOf(level),
                                              Confidence::kConfirmed, history};
        // It is slow also when it does not fail.
        const auto transient = found_.find({What::kTransient, units});
        if (transient != found_.end()) transient->second.erase(rail);
      }
      if (edge == Ledger::Edge::kTransient && !Has(What::kLink, units, rail) &&
          !Has(What::kTransient, units, rail)) {
        found_[{What::kTransient, units}][rail] = {
            SeverityOf(level), Confidence::kProbable, history};
      }
    }
  }

  // Nobody is good on that rail.
  void FindUndecided(Level level) {
    for (const auto& [rail, histories] : of_rail_) {
      if (ledger_.AnyGood(rail, level)) continue;
      const std::vector<uint32_t> population = ledger_.Population(rail, level);
      Finding finding{SeverityOf(level), Confidence::kAmbiguous};
      for (const std::vector<Evidence>* history : histories) {
        const Pair pair = history->front().pair;
        if (std::binary_search(population.begin(), population.end(), pair.a) &&
            std::binary_search(population.begin(), population.end(), pair.b)) {
          finding.edges.insert(finding.edges.end(), history->begin(),
                               history->end());
        }
      }
      if (finding.edges.empty()) continue;
      const bool two = population.size() == 2;
      const Key key = two ? Key{What::kPair, population}
                          : Key{What::kFabric, std::vector<uint32_t>{}};
      if (!Has(std::get<0>(key), std::get<1>(key), rail)) {
        found_[key][rail] = std::move(finding);
      }
    }
  }

  // How many rails that could be tested there are in common.
  uint32_t RailsOf(What what, const std::vector<uint32_t>& units) const {
    if (what == What::kFabric || what == What::kDivided) {
      return ledger_.max_rails();
    }
    if (units.size() == 2) return ledger_.SharedRails({units[0], units[1]});
    uint32_t rails = 0;
    for (uint32_t other = 0; other < ledger_.units(); ++other) {
      if (other != units[0] && !ledger_.excluded(other)) {
        rails = std::max(rails, ledger_.SharedRails(PairOf(units[0], other)));
      }
    }
    return rails;
  }

  void Merge(What what, const std::vector<uint32_t>& units, ByRail* rails,
             std::vector<Blame>* blames) const {
    if (rails->empty()) return;
    const size_t first = blames->size();
    const bool all = rails->size() >= RailsOf(what, units);
    for (auto& [rail, finding] : *rails) {
      if (!all || blames->size() == first) {
        blames->push_back({.what = what,
                           .units = units,
                           .severity = finding.severity,
                           .confidence = finding.confidence});
      }
      Blame& blame = blames->back();
      if (what == What::kDivided) SetParts(finding.parts, &blame);
      if (!all) {
        blame.rail = rail;
        if (what == What::kUnit) blame.what = What::kRail;
      }
      blame.severity = std::max(blame.severity, finding.severity);
      blame.confidence = std::min(blame.confidence, finding.confidence);
      blame.edges.insert(blame.edges.end(), finding.edges.begin(),
                         finding.edges.end());
    }
    for (size_t i = first; i < blames->size(); ++i) {
      std::vector<Evidence>& edges = (*blames)[i].edges;
      std::sort(edges.begin(), edges.end(),
                [](const Evidence& one, const Evidence& other) {
                  return std::tie(one.round, one.pair, one.rail) <
                         std::tie(other.round, other.pair, other.rail);
                });
    }
  }

  static void SetParts(const std::vector<std::vector<uint32_t>>& parts,
                       Blame* blame) {
    blame->parts = parts;
    blame->units.clear();
    for (const std::vector<uint32_t>& part : parts) {
      blame->units.insert(blame->units.end(), part.begin(), part.end());
    }
    std::sort(blame->units.begin(), blame->units.end());
  }

  using OfUnit = std::pair<uint32_t, const std::vector<Evidence>*>;

  const Ledger& ledger_;
  std::map<std::pair<uint32_t, uint32_t>, std::vector<OfUnit>> of_unit_;
  std::map<uint32_t, std::vector<const std::vector<Evidence>*>> of_rail_;
  std::map<Key, ByRail> found_;
  std::set<std::pair<Pair, uint32_t>> across_;  // between parts, by rail
};

}  // namespace

std::vector<Blame> Decode(const Ledger& ledger) {
  return Decoder(ledger).Blames();
}

}  // namespace muster::fabric
