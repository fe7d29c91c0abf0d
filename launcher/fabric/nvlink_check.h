// NVLink switches that do not do what they could.
#ifndef MUSTER_LAUNCHER_FABRIC_NVLINK_CHECK_H_
#define MUSTER_LAUNCHER_FABRIC_NVLINK_CHECK_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "launcher/fabric/phase.h"
#include "launcher/fabric/tested_node.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// Pure. Adds a finding where the driver says that the fabric of the node's
// NVSwitches is not set up for its GPUs: CUDA then fails, or does without
// NVLink and in-switch reduction. A single GPU without links, as one that was
// handed to a virtual machine, needs none. The node must have an inventory.
void CheckSwitches(const TestedNodes& nodes, uint32_t node,
                   std::vector<FabricFinding>* findings);

// Pure. Names nodes of which NCCL says that in-switch reduction (NVLS) does not
// work, though their GPUs and switches have it: they reduce at 0.77 of their
// speed. Where the job turned it off that is no finding.
// Life cycle: Take the results of the GPUs of one node, then AddFindings.
class NvlsCheck {
 public:
  void Take(const std::vector<JudgedTest>& tests);
  void AddFindings(const TestedNodes& nodes,
                   std::vector<FabricFinding>* findings) const;

 private:
  struct Missing {
    std::string reason;  // in NCCL's words
    std::string log;     // where the test failed: others are not kept
  };

  std::map<uint32_t, Missing> missing_;  // by node
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NVLINK_CHECK_H_
