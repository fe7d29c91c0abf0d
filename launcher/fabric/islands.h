// Parts of a network that are well within, with nothing between them.
#ifndef MUSTER_LAUNCHER_FABRIC_ISLANDS_H_
#define MUSTER_LAUNCHER_FABRIC_ISLANDS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "launcher/fabric/ledger.h"

namespace muster::fabric {

// Pure. The units that are good on one rail, in the groups that tests which
// passed have joined. Groups are only not joined yet, until tests between them
// fail: of two that work on the same network a pair fails here and there, and
// the next one passes.
class Islands {
 public:
  // So many pairs that fail, one unit in two of them, and none that passes, are
  // a gap and not bad links.
  static constexpr size_t kCrossings = 3;

  Islands(const Ledger& ledger, uint32_t rail, Level level);

  // Each of two units or more, ascending.
  const std::vector<std::vector<uint32_t>>& groups() const { return groups_; }
  // The unit's group; none for a unit that is not good.
  std::optional<size_t> Of(uint32_t unit) const;
  // Pairs of units, one from each group, that failed.
  size_t Failed(size_t one, size_t other) const;
  size_t Failed() const;  // between any two groups
  bool HasGap(size_t one, size_t other) const;
  bool AnyGap() const;
  // Between any two of them: the network is in parts.
  bool Divided() const;
  // The groups with members of which the unit failed, good or not.
  std::set<size_t> FailedWith(uint32_t unit) const;

 private:
  std::vector<std::vector<uint32_t>> groups_;
  std::map<uint32_t, size_t> group_of_;
  std::map<std::pair<size_t, size_t>, std::vector<Pair>> failed_;  // by groups
  std::map<uint32_t, std::set<size_t>> failed_with_;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_ISLANDS_H_
