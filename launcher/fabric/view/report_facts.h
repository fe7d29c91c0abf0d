// What the tables of a self-test are made of.
#ifndef MUSTER_LAUNCHER_FABRIC_VIEW_REPORT_FACTS_H_
#define MUSTER_LAUNCHER_FABRIC_VIEW_REPORT_FACTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// Whatever points into a report is good as long as it is.

// Every text of it without what a terminal would act on.
FabricReport Harmless(const FabricReport& report);

std::string HostOf(const FabricReport& report, uint32_t node);
// "host3", "host3 GPU 1" with NCCL.
std::string SlotText(const FabricReport& report, const Slot& slot);
// "host1 - host3", "host1 - host3, GPU 2", "host1, GPU 0 - 3", "all 8 nodes".
std::string MembersText(const FabricReport& report, const FabricTest& test);
// Whose the failure is; null where none is known.
const Slot* FailedSlot(const FabricTest& test);
// "8 nodes, NCCL, 3 rounds, 1.4 s"; `before` stands before the library.
std::string Summary(const FabricReport& report, absl::string_view before = "");
// "host1", "host1 - host3"; "" where nobody is blamed.
std::string CulpritText(const FabricReport& report,
                        const FabricFinding& finding);

// Whether `a` is worse: failures come before what is slow, then the slower.
bool IsWorse(const FabricTest& a, const FabricTest& b);

// Tests of two nodes, of each pair and round the worst of its rails, in the
// order of the rounds.
std::vector<const FabricTest*> NodePairs(const FabricReport& report);
// Tests of some of a node's GPUs, after those of all of them.
std::vector<const FabricTest*> GpuPairs(const FabricReport& report);
// Of all together.
std::vector<const FabricTest*> Worlds(const FabricReport& report);

// What was measured of a slot, or of a node's slots together.
struct SlotTests {
  const FabricTest* solo = nullptr;   // of several the worst
  const FabricTest* local = nullptr;  // all GPUs of its node
  std::vector<const FabricTest*> network;
  FabricVerdict verdict = FABRIC_VERDICT_UNSPECIFIED;  // by the findings

  std::vector<double> NetworkSpeeds() const;  // of those that ended
};
using SlotKey = std::pair<uint32_t, uint32_t>;  // node, gpu
std::map<SlotKey, SlotTests> BySlot(const FabricReport& report);
std::map<uint32_t, SlotTests> ByNode(const FabricReport& report);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_VIEW_REPORT_FACTS_H_
