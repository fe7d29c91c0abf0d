// From findings to what becomes of the job.
#ifndef MUSTER_LAUNCHER_FABRIC_FABRIC_VERDICT_H_
#define MUSTER_LAUNCHER_FABRIC_FABRIC_VERDICT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "launcher/fabric/tested_node.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

struct FabricDecision {
  // By node: without whom the job starts, and why. Empty when it does not.
  std::map<uint32_t, std::string> left_out;
  // 0: it starts; kExitNodeLost: who is to blame is named; kExitFabric: nobody
  // can be.
  uint32_t exit_code = 0;
  std::string message;           // what the verdict says
  std::optional<uint32_t> node;  // whom it names first
};

// Pure. What is only slow stops nothing. A node counts as bad however sure that
// is, since no finding of a node comes without a good partner with which it
// failed, its own account, or what others have and it has not: a job without it
// has what works. `report` has nodes and findings.
FabricDecision DecideFabric(const FabricReport& report, uint32_t min_nodes);

// The worst of the findings; PASS without any.
FabricVerdict WorstOf(const FabricReport& report);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_FABRIC_VERDICT_H_
