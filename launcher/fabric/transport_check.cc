#include "launcher/fabric/transport_check.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "launcher/fabric/finding.h"

namespace muster::fabric {
namespace {

constexpr char kSockets[] = "Socket";
constexpr size_t kMostHosts = 8;

bool Uses(const std::map<std::string, uint32_t>& networks, bool sockets) {
  return std::any_of(networks.begin(), networks.end(),
                     [sockets](const auto& network) {
                       return (network.first == kSockets) == sockets;
                     });
}

// "mlx5_0, mlx5_1"; "" for none.
std::string ActivePorts(const TestedNode& node) {
  std::vector<std::string> names;
  if (node.inventory) {
    for (const NicFacts& nic : node.inventory->nics()) {
      if (nic.active() && nic.layer() != "ethernet") {
        names.push_back(nic.name());
      }
    }
  }
  return absl::StrJoin(names, ", ");
}

// What to do about it, by what NCCL gave as its reason.
std::string NextFor(const std::string& reasons) {
  if (absl::StrContains(reasons, "NCCL_IB_DISABLE") ||
      absl::StrContains(reasons, "NCCL_NET ")) {
    return "unset NCCL_IB_DISABLE and NCCL_NET, also in /etc/nccl.conf and "
           "~/.nccl.conf, or give them to every node";
  }
  if (absl::StrContains(reasons, "libibverbs")) {
    return "install libibverbs1 and ibverbs-providers, in the container's "
           "image "
           "too";
  }
  if (absl::StrContains(reasons, "NCCL_IB_HCA")) {
    return "ibv_devices; see that NCCL_IB_HCA names some of these";
  }
  return "ibv_devinfo; ls /dev/infiniband, which containers need "
         "(--device /dev/infiniband); a plugin's libnccl-net.so must be in "
         "LD_LIBRARY_PATH";
}

void AddOnce(const std::string& text, std::vector<std::string>* texts) {
  if (!text.empty() &&
      std::find(texts->begin(), texts->end(), text) == texts->end()) {
    texts->push_back(text);
  }
}

}  // namespace

void TransportCheck::Take(const std::vector<JudgedTest>& tests) {
  for (const JudgedTest& test : tests) {
    for (size_t rank = 0; rank < test.outcome.results.size(); ++rank) {
      Add(test.outcome.group.members(static_cast<int>(rank)),
          test.outcome.results[rank]);
    }
  }
}

void TransportCheck::Add(const Slot& slot, const SlotResult& result) {
  const bool failed = result.has_failed();
  const std::string& network =
      failed ? result.failed().network() : result.measured().network();
  if (network.empty()) return;
  Usage& usage = nodes_[slot.node()];
  ++usage.networks[network];
  if (network != kSockets) return;
  AddOnce(failed ? result.failed().network_reason()
                 : result.measured().network_reason(),
          &usage.reasons);
  const bool known = std::any_of(
      usage.slots.begin(), usage.slots.end(),
      [&slot](const Slot& other) { return other.gpu() == slot.gpu(); });
  if (!known) usage.slots.push_back(slot);
  // Nodes without a failure keep no logs.
  if (failed && usage.log.empty()) usage.log = result.log();
}

// A node may have to follow a partner that can only do TCP. So where some nodes
// never use anything else it is those alone.
std::vector<uint32_t> TransportCheck::Differing() const {
  std::vector<uint32_t> always;
  std::vector<uint32_t> sometimes;
  for (const auto& [node, usage] : nodes_) {
    if (!Uses(usage.networks, true)) continue;
    (Uses(usage.networks, false) ? sometimes : always).push_back(node);
  }
  return always.empty() ? sometimes : always;
}

void TransportCheck::AddFindings(const TestedNodes& nodes,
                                 std::vector<FabricFinding>* findings) const {
  const bool any_other = std::any_of(
      nodes_.begin(), nodes_.end(),
      [](const auto& node) { return Uses(node.second.networks, false); });
  std::vector<uint32_t> named;
  for (const uint32_t node : Differing()) {
    if (any_other || !ActivePorts(nodes[node]).empty()) named.push_back(node);
  }
  if (!any_other && named.size() > 1 && named.size() == nodes_.size()) {
    findings->push_back(DescribeAll(nodes, named));
    return;
  }
  for (const uint32_t node : named) findings->push_back(Describe(nodes, node));
}

FabricFinding TransportCheck::Describe(const TestedNodes& nodes,
                                       uint32_t node) const {
  const Usage& usage = nodes_.at(node);
  const std::string& host = nodes[node].host;
  const bool always = !Uses(usage.networks, false);
  FabricFinding finding =
      NewFinding(FABRIC_PHASE_NETWORK, FABRIC_CULPRIT_CONFIG, Severity::kSlow,
                 always ? Confidence::kConfirmed : Confidence::kProbable);
  finding.add_nodes(node);
  if (!always) {
    for (const Slot& slot : usage.slots) *finding.add_gpus() = slot;
  }
  std::set<std::string> others;
  size_t count = 0;
  for (const auto& [other, its] : nodes_) {
    if (other == node || !Uses(its.networks, false)) continue;
    ++count;
    for (const auto& [network, results] : its.networks) {
      if (network != kSockets) others.insert(network);
    }
  }
  const std::string ports = ActivePorts(nodes[node]);
  std::string message = absl::StrCat(
      host, always ? " fell back to TCP" : " uses TCP in some of its tests");
  if (count > 0) {
    absl::StrAppend(&message, "; ", count,
                    count == 1 ? " node uses " : " nodes use ",
                    absl::StrJoin(others, " and "));
  }
  if (!ports.empty()) {
    absl::StrAppend(
        &message, count > 0 ? ", and " : ", though ", ports,
        absl::StrContains(ports, ',') ? " are active" : " is active");
  }
  const std::string reasons = absl::StrJoin(usage.reasons, "; ");
  if (!reasons.empty()) absl::StrAppend(&message, ": ", reasons);
  finding.set_message(std::move(message));
  for (const auto& [network, results] : usage.networks) {
    finding.add_evidence(absl::StrCat("network ", network, " in ", results,
                                      results == 1 ? " result" : " results",
                                      " of ", host));
  }
  if (!usage.log.empty()) {
    finding.add_evidence(absl::StrCat("log ", usage.log, " of ", host));
  }
  finding.set_next(absl::StrCat("on ", host, ": ", NextFor(reasons)));
  return finding;
}

FabricFinding TransportCheck::DescribeAll(
    const TestedNodes& nodes, const std::vector<uint32_t>& with_ports) const {
  FabricFinding finding =
      NewFinding(FABRIC_PHASE_NETWORK, FABRIC_CULPRIT_FABRIC, Severity::kSlow,
                 Confidence::kConfirmed);
  std::vector<std::string> reasons;
  for (const uint32_t node : with_ports) {
    finding.add_nodes(node);
    for (const std::string& reason : nodes_.at(node).reasons) {
      AddOnce(reason, &reasons);
    }
    if (finding.evidence_size() < static_cast<int>(kMostHosts)) {
      finding.add_evidence(absl::StrCat("active on ", nodes[node].host, ": ",
                                        ActivePorts(nodes[node])));
    }
  }
  const std::string text = absl::StrJoin(reasons, "; ");
  finding.set_message(absl::StrCat(
      "all nodes fell back to TCP, though they have active RDMA ports",
      text.empty() ? "" : ": ", text));
  finding.set_next(absl::StrCat("on each node: ", NextFor(text)));
  return finding;
}

}  // namespace muster::fabric
