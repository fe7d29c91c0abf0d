// Which pairs of nodes are fast, at one look.
#ifndef MUSTER_LAUNCHER_FABRIC_VIEW_HEAT_MAP_H_
#define MUSTER_LAUNCHER_FABRIC_VIEW_HEAT_MAP_H_

#include <cstddef>
#include <string>

#include "proto/fabric.pb.h"

namespace muster::fabric {

// Nodes by nodes: a cell is the busbw of the pair, of several rails the worst,
// when it was tried last, in tenths of the median. "" with fewer than three
// nodes, with more than 40, or where it is wider than `columns`.
std::string HeatMap(const FabricReport& report, size_t columns, bool colour);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_VIEW_HEAT_MAP_H_
