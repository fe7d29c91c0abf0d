// The words of what the self-test has found.
#ifndef MUSTER_LAUNCHER_FABRIC_FINDING_H_
#define MUSTER_LAUNCHER_FABRIC_FINDING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "launcher/fabric/blame.h"
#include "launcher/fabric/phase.h"
#include "launcher/fabric/tested_node.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// A finding that says how sure and how bad, and no more yet.
FabricFinding NewFinding(FabricPhase phase, FabricCulprit culprit,
                         Severity severity, Confidence confidence);

// Whether two phases have found the same of one GPU: what is slow alone is slow
// with others, and over the network.
bool IsOfOneGpu(const FabricFinding& a, const FabricFinding& b);

// "GPU-8f6a..., 0000:1b:00.0", as far as known; "" for nothing.
std::string DeviceOf(const TestedNode& node, uint32_t gpu);

// The failure in one clause: "wrong data (3 elements) in the check: ...".
std::string FailureText(const FabricFailure& failure);

// One line on what came of a test: "round 2, host1 - host3: 0.4 GB/s, limit 4.1
// (half of the median of 4 pairs)", "round 1, host1 - host3: host3 timed out
// while connecting: ...; log /tmp/x of host3".
std::string EvidenceLine(const TestedNodes& nodes, FabricKind kind,
                         const FabricTest& test);

// Adds the tests' lines, and what the library's log said last. A finding that
// rests on a slow test fails where the test does.
void AddEvidence(const TestedNodes& nodes, FabricKind kind,
                 const std::vector<const FabricTest*>& tests,
                 FabricFinding* finding);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_FINDING_H_
