// Which of n units is to blame, found by tests of pairs in few rounds.
#ifndef MUSTER_LAUNCHER_FABRIC_ISOLATION_H_
#define MUSTER_LAUNCHER_FABRIC_ISOLATION_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "launcher/fabric/blame.h"
#include "launcher/fabric/ledger.h"
#include "launcher/fabric/pairing.h"
#include "launcher/fabric/round_planner.h"

namespace muster::fabric {

// Job: say which pairs to test next, and at the end who is to blame: group
// testing of nodes (rails: their local GPU indexes) and of the GPUs of one node
// (one rail each). What the words mean is said in ledger.h.
//
// Rounds. Healthy units take `healthy_rounds`, whatever n is. A bad unit takes
// two: in the first its partner is suspect, too; in the second each has a good
// partner. Let b be the bad units, those with a bad rail among them, and l the
// bad links, of which each good unit has at most one. Then a unit that is not
// bad is never blamed, nor a good link; every bad unit is, and every bad link
// that was tested; and there are at most
//
//   3 rounds for n >= 4b where l = 0 and b = 1
//   4 rounds for n >= 4b where l = 0: bad units are tested with one another
//   5 rounds for n >= 4(b + l): a suspect may meet a bad link in the second
//     round, and that link is tested again in the fourth, and one that leads
//     round it in the fifth
//   more where n < 4(b + l): good partners are scarce, and take turns
//
// Two good units of which each has two bad links or more can look bad: whoever
// fails with two good partners before it passes once is convicted. But a
// network in parts of three units or more, with nothing between them, is told
// as that.
//
// Two units cannot be told apart. Three are tested one pair after the other,
// which names one bad unit, or one bad link. When nobody passes in kBlindRounds
// rounds nobody is blamed.
//
// Life cycle: Next, then Record for every pair of it, until Next is empty; then
// Result. Pure: no time, no chance: equal results, equal rounds. It ends
// whatever the results are.
// Threads: one at a time.
class Isolation {
 public:
  struct Options {
    std::vector<uint32_t> rails;  // of each unit: how many it has
    uint32_t healthy_rounds = 2;
    bool exhaustive = false;  // every pair of units that work, n - 1 rounds
  };

  explicit Isolation(Options options);

  // A unit that failed elsewhere, before the first round or at any time: it is
  // not tested any more and not blamed, and what failed together with it counts
  // for nothing. The result of a pair under way with it need not come.
  void Exclude(uint32_t unit);

  // The next round's pairs, disjoint. Empty: it is over. A result of the last
  // round that has not come by now is a hard failure on all rails.
  std::vector<Pair> Next();
  // Of a pair of this round. Rails that are missing at the end failed. False
  // when nobody waits for it: another round's, a second one, or of a unit that
  // was excluded; it changes nothing then.
  bool Record(PairResult result);
  // Results of this round that have not come.
  const std::set<Pair>& pending() const { return pending_; }

  uint32_t round() const { return round_; }  // from 1; 0 before the first
  // Of a pair of this round; kOthers for any other.
  Purpose PurposeOf(Pair pair) const;
  // "3 suspects with good partners, 28 pairs across".
  std::string RoundText() const;

  // Once Next was empty.
  std::vector<Blame> Result() const;

 private:
  Ledger ledger_;
  RoundPlanner planner_;
  uint32_t round_ = 0;
  std::map<Pair, Purpose> purposes_;
  std::set<Pair> pending_;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_ISOLATION_H_
