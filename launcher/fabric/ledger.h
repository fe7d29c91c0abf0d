// What is known of units and of the links between them from tests of pairs.
#ifndef MUSTER_LAUNCHER_FABRIC_LEDGER_H_
#define MUSTER_LAUNCHER_FABRIC_LEDGER_H_

#include <cstdint>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "launcher/fabric/blame.h"

namespace muster::fabric {

// Everything is asked at two levels. At the hard level slow is good enough;
// thus a dead node is found also where all are below a limit that is too high.
enum class Level { kHard, kSlow };
inline constexpr Level kLevels[] = {Level::kHard, Level::kSlow};

bool IsGood(Outcome outcome, Level level);

// Job: keep the results of all tests and say what follows from them. Every rail
// stands for itself: a unit may be good on one and bad on another.
//
//   good       passed with anybody on that rail. A bad unit passes with nobody.
//   convicted  never passed, and failed with two good partners.
//   link       both ends are good, and it failed twice.
//   open       both ends are good, it failed once, and not again yet.
//   transient  both ends are good; it failed once and passed then.
//
// A failure together with a unit that is excluded proves nothing.
// Life cycle: Add and Exclude in any order. Pure.
// Threads: one at a time.
class Ledger {
 public:
  enum class Edge { kFine, kOpen, kLink, kTransient };

  // How many rails each unit has.
  explicit Ledger(std::vector<uint32_t> rails);

  void Add(uint32_t round, const PairResult& result);
  void Exclude(uint32_t unit);

  uint32_t units() const { return static_cast<uint32_t>(rails_.size()); }
  uint32_t rails(uint32_t unit) const { return rails_[unit]; }
  uint32_t max_rails() const { return max_rails_; }
  uint32_t SharedRails(Pair pair) const;
  bool excluded(uint32_t unit) const { return excluded_[unit]; }
  // How often that pair, or that unit with anybody, was tested.
  uint32_t TestsOf(Pair pair) const;
  uint32_t TestsOf(uint32_t unit) const { return tests_[unit]; }
  // Rounds in which anybody was tested on that rail.
  uint32_t RoundsOf(uint32_t rail) const { return rounds_[rail].count; }

  bool Good(uint32_t unit, uint32_t rail, Level level) const;
  bool AnyGood(uint32_t rail, Level level) const;
  bool Convicted(uint32_t unit, uint32_t rail, Level level) const;
  // Good units with which this one failed.
  std::vector<uint32_t> GoodPartnersFailed(uint32_t unit, uint32_t rail,
                                           Level level) const;
  // Units that count on that rail: not excluded, and not convicted of worse.
  std::vector<uint32_t> Population(uint32_t rail, Level level) const;
  // Tests on a rail that came to their end with right data.
  using Passes = std::vector<std::pair<Pair, Outcome>>;
  const Passes& passes(uint32_t rail) const { return passes_[rail]; }
  // All outcomes of a pair on a rail from its first failure on.
  using Histories = std::map<std::tuple<Pair, uint32_t>, std::vector<Evidence>>;
  const Histories& failures() const { return failures_; }
  // Of one of those.
  Edge EdgeOf(const Histories::value_type& failure, Level level) const;

 private:
  struct Rounds {
    uint32_t count = 0;
    uint32_t last = 0;
  };

  size_t Index(uint32_t unit, uint32_t rail) const {
    return size_t{unit} * max_rails_ + rail;
  }

  std::vector<uint32_t> rails_;
  uint32_t max_rails_ = 0;
  std::vector<bool> excluded_;
  std::vector<uint32_t> tests_;
  std::vector<Rounds> rounds_;  // by rail
  std::vector<Passes> passes_;  // by rail
  // By unit and rail: the best outcome so far, and with whom it failed.
  std::vector<Outcome> best_;
  std::vector<std::vector<uint32_t>> failed_with_;
  absl::flat_hash_map<uint64_t, uint32_t> pair_tests_;
  Histories failures_;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_LEDGER_H_
