// Pairs of nodes over the network.
#ifndef MUSTER_LAUNCHER_FABRIC_NETWORK_PHASE_H_
#define MUSTER_LAUNCHER_FABRIC_NETWORK_PHASE_H_

#include <string>
#include <vector>

#include "launcher/fabric/isolation.h"
#include "launcher/fabric/phase.h"
#include "launcher/fabric/transport_check.h"

namespace muster::fabric {

// Rounds of disjoint pairs, in each pair one group for each rail: the slots of
// equal index of both nodes.
class NetworkPhase final : public Phase {
 public:
  NetworkPhase(const TestedNodes& nodes, FabricKind kind,
               const FabricSettings& settings);

  FabricPhase id() const override { return FABRIC_PHASE_NETWORK; }
  Step Next() override;
  void Take(uint32_t round, const std::vector<JudgedTest>& tests) override;
  void Lost(uint32_t node) override;
  std::vector<FabricFinding> Findings() const override;

 private:
  // The tests that a conclusion rests on.
  std::vector<const FabricTest*> TestsOf(const Blame& blame) const;
  // "host1, host2 and 3 more": the first `most`.
  std::string HostsOf(const std::vector<uint32_t>& nodes, size_t most) const;
  FabricFinding Describe(const Blame& blame) const;
  // Nodes of which their own agents said what is wrong, in tests that failed.
  std::vector<uint32_t> SelfConfessed(
      const std::vector<const FabricTest*>& tests) const;
  FabricFinding Confessed(uint32_t node,
                          const std::vector<const FabricTest*>& tests) const;

  const TestedNodes& nodes_;
  const FabricKind kind_;
  const bool strict_;
  Isolation isolation_;
  std::vector<FabricTest> tests_;
  TransportCheck transports_;
};

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_NETWORK_PHASE_H_
