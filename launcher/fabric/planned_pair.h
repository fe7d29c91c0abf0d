// A pair that is to be tested, and why.
#ifndef MUSTER_LAUNCHER_FABRIC_PLANNED_PAIR_H_
#define MUSTER_LAUNCHER_FABRIC_PLANNED_PAIR_H_

#include "launcher/fabric/pairing.h"

namespace muster::fabric {

// Why a pair is tested.
enum class Purpose {
  kNeighbours,
  kAcross,    // half of all units lie between them
  kOthers,    // any other pair
  kUntested,  // one was left over until now, with a good partner
  kSuspect,   // one failed before, with a good partner
  kAgain,     // the same pair as before
  kBetween,   // units of two groups, between which others have failed
};

struct PlannedPair {
  Pair pair;
  Purpose purpose = Purpose::kOthers;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_PLANNED_PAIR_H_
