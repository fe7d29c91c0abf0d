// Who is to blame, from all that is known.
#ifndef MUSTER_LAUNCHER_FABRIC_DECODE_H_
#define MUSTER_LAUNCHER_FABRIC_DECODE_H_

#include <vector>

#include "launcher/fabric/blame.h"
#include "launcher/fabric/ledger.h"

namespace muster::fabric {

// Pure. Hard before slow; then units, links, and what nobody can be blamed for.
// All rails of a unit or a link become one entry, with the worst of their
// severities and the least of their confidences.
//
// Where the good units of a rail are in parts with a gap between any two of
// them, that is one finding, and no link across a gap is.
//
// A good partner is what makes the difference: a unit that failed with none is
// not named, but for one of two.
std::vector<Blame> Decode(const Ledger& ledger);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_DECODE_H_
