// How much a group reduces, and how long it may take.
#ifndef MUSTER_LAUNCHER_FABRIC_PHASE_SETTINGS_H_
#define MUSTER_LAUNCHER_FABRIC_PHASE_SETTINGS_H_

#include "launcher/fabric/judge.h"
#include "launcher/fabric/tested_node.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// Pure. Fills in the group's size, deadlines and names, which are the user's
// where there are such, else what suits library and phase. `briefly`: figures
// mean little, so they are taken for a moment only.
void SetUpGroup(const TestedNodes& nodes, const Scale& scale, FabricPhase phase,
                bool briefly, FabricGroup* group);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_PHASE_SETTINGS_H_
