// The test of a node alone: its memory is written, read back, copied and
// compared.
#ifndef MUSTER_LAUNCHER_FABRIC_GLOO_MEMORY_H_
#define MUSTER_LAUNCHER_FABRIC_GLOO_MEMORY_H_

#include "launcher/fabric/gloo/attempt.h"

namespace muster::fabric {

// Answers the attempt: with the seconds of a copy of the group's bytes, or with
// the words that were not what was written. Ends early once it is closed.
//
// Throws std::bad_alloc where there is not twice as much memory.
void TestMemory(Attempt& attempt);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_GLOO_MEMORY_H_
