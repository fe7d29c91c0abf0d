// Nodes that fell back to TCP.
#ifndef MUSTER_LAUNCHER_FABRIC_TRANSPORT_CHECK_H_
#define MUSTER_LAUNCHER_FABRIC_TRANSPORT_CHECK_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "launcher/fabric/phase.h"
#include "launcher/fabric/tested_node.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// Pure. NCCL takes sockets without a word where a node has no InfiniBand, RoCE
// or plugin that it can use, and the job then runs at a fraction of its speed.
// Each member of a test tells by its own log what it uses, also where the test
// fails, as it may between nodes that differ.
//
// Named is a node that uses TCP
//   - while others don't;
//   - with RDMA ports that are active. Where all do, that is one finding.
// A cluster that has nothing but TCP is well.
// Life cycle: Take what NCCL gave for pairs of nodes, then AddFindings. (Gloo
// has TCP alone, which is no fall.)
class TransportCheck {
 public:
  void Take(const std::vector<JudgedTest>& tests);
  void AddFindings(const TestedNodes& nodes,
                   std::vector<FabricFinding>* findings) const;

 private:
  struct Usage {
    std::map<std::string, uint32_t> networks;  // and results that name them
    std::vector<std::string> reasons;          // for sockets, each once
    std::vector<Slot> slots;                   // that use them, each once
    std::string log;                           // of one of those that failed
  };

  void Add(const Slot& slot, const SlotResult& result);
  // Those to name where not all nodes use TCP.
  std::vector<uint32_t> Differing() const;
  FabricFinding Describe(const TestedNodes& nodes, uint32_t node) const;
  FabricFinding DescribeAll(const TestedNodes& nodes,
                            const std::vector<uint32_t>& with_ports) const;

  std::map<uint32_t, Usage> nodes_;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_TRANSPORT_CHECK_H_
