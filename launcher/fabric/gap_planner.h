// What else is tested before units are blamed for a gap in the network.
#ifndef MUSTER_LAUNCHER_FABRIC_GAP_PLANNER_H_
#define MUSTER_LAUNCHER_FABRIC_GAP_PLANNER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "launcher/fabric/islands.h"
#include "launcher/fabric/ledger.h"
#include "launcher/fabric/planned_pair.h"

namespace muster::fabric {

// By rail.
using IslandsByRail = std::map<std::pair<uint32_t, Level>, Islands>;

// Job: two groups of units with nothing between them look like bad units to
// each other, or like many bad links. It adds to a round the pairs that tell:
//
//   - where several units are convicted, or one by a single group of good
//   units:
//     pairs that join the groups
//   - where a pair of two groups has failed: more of them, until one passes or
//     it is a gap; once there is a gap anywhere, of any two groups
//   - then, of who is convicted, pairs with every group that it was not tested
//     with
//   - each who is convicted with another one, which may be in the same place
//
// Pure. Threads: one at a time.
class GapPlanner {
 public:
  // From then on convictions are doubted only where there are many of them, or
  // of pairs that failed between groups: lest the bad ones take more rounds.
  static constexpr uint32_t kDoubtRounds = 4;

  // The round that is planned: who is free in it, and how to take a pair.
  struct Hands {
    std::function<bool(uint32_t)> is_free;
    std::function<void(Pair, Purpose)> take;
  };

  // `ledger` must outlive it.
  GapPlanner(const Ledger& ledger, Hands hands);

  // `done` rounds are in the ledger.
  void Plan(const IslandsByRail& all, uint32_t done) const;

 private:
  std::vector<uint32_t> Convicted(uint32_t rail, Level level) const;
  void Join(const Islands& islands) const;
  bool Cross(const Islands& islands, bool gap) const;
  void TestMutually(const std::vector<uint32_t>& convicted) const;
  void Reprieve(const Islands& islands,
                const std::vector<uint32_t>& convicted) const;
  // A pair of free units of both that was not tested; false: there is none that
  // was not tested.
  bool TakeUntested(const std::vector<uint32_t>& those,
                    const std::vector<uint32_t>& others, Purpose purpose) const;

  const Ledger& ledger_;
  const Hands hands_;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_GAP_PLANNER_H_
