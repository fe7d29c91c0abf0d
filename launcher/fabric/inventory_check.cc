#include "launcher/fabric/inventory_check.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "launcher/fabric/choice/nccl_choice.h"
#include "launcher/fabric/finding.h"
#include "launcher/fabric/nccl_version.h"
#include "launcher/fabric/nvlink_check.h"

namespace muster::fabric {
namespace {

constexpr uint64_t kMebibyte = 1024 * 1024;
// Docker's default for /dev/shm, too small for several ranks of NCCL.
constexpr uint64_t kSmallShm = 64 * kMebibyte;
// Below it the registration of memory for RDMA fails sooner or later.
constexpr uint64_t kSmallMemlock = 1024 * kMebibyte;

using Property = std::function<std::string(const FabricInventory&)>;

std::string GpuNames(const FabricInventory& inventory) {
  std::set<std::string> names;
  for (const GpuFacts& gpu : inventory.gpus()) names.insert(gpu.name());
  return absl::StrJoin(names, " and ");
}

std::string Nics(const FabricInventory& inventory) {
  std::map<std::string, int> counts;
  for (const NicFacts& nic : inventory.nics()) {
    if (nic.layer() == "ethernet" || !nic.active()) continue;
    ++counts[absl::StrCat(nic.layer(), " ports of ", nic.gbps(), " Gb/s")];
  }
  return counts.empty()
             ? "no active RDMA port"
             : absl::StrJoin(
                   counts, " and ", [](std::string* out, const auto& count) {
                     absl::StrAppend(out, count.second, " ", count.first);
                   });
}

FabricFinding OnNode(uint32_t node, FabricCulprit culprit, Severity severity,
                     Confidence confidence, std::string message,
                     const std::string& evidence, std::string next) {
  FabricFinding finding =
      NewFinding(FABRIC_PHASE_INVENTORY, culprit, severity, confidence);
  finding.add_nodes(node);
  finding.set_message(std::move(message));
  finding.add_evidence(evidence);
  finding.set_next(std::move(next));
  return finding;
}

// "2.28.9: host0, host2".
std::string HostsWith(const TestedNodes& nodes, const std::string& value,
                      const std::vector<uint32_t>& those) {
  return absl::StrCat(
      value, ": ",
      absl::StrJoin(those, ", ", [&](std::string* out, uint32_t node) {
        absl::StrAppend(out, nodes[node].host);
      }));
}

// Names the nodes whose property differs from that of more than half of them.
void CompareProperty(const TestedNodes& nodes, const std::string& what,
                     const Property& property, Severity severity,
                     const std::string& next,
                     std::vector<FabricFinding>* findings) {
  std::map<std::string, std::vector<uint32_t>> by_value;
  size_t count = 0;
  for (const uint32_t node : GoodNodes(nodes)) {
    if (!nodes[node].inventory) continue;
    const std::string value = property(*nodes[node].inventory);
    if (value.empty()) continue;  // unknown
    by_value[value].push_back(node);
    ++count;
  }
  if (by_value.size() < 2) return;
  const auto most = std::max_element(by_value.begin(), by_value.end(),
                                     [](const auto& a, const auto& b) {
                                       return a.second.size() < b.second.size();
                                     });
  if (2 * most->second.size() > count) {
    for (const auto& [value, minority] : by_value) {
      if (value == most->first) continue;
      for (const uint32_t node : minority) {
        findings->push_back(OnNode(
            node, FABRIC_CULPRIT_CONFIG, severity, Confidence::kConfirmed,
            absl::StrCat(nodes[node].host, " has ", what, " ", value, "; ",
                         most->second.size(), " of ", count, " nodes have ",
                         most->first),
            HostsWith(nodes, most->first, most->second), next));
      }
    }
    return;
  }
  FabricFinding finding =
      NewFinding(FABRIC_PHASE_INVENTORY, FABRIC_CULPRIT_PAIR, severity,
                 Confidence::kAmbiguous);
  std::vector<std::string> parts;
  for (const auto& [value, those] : by_value) {
    for (const uint32_t node : those) finding.add_nodes(node);
    parts.push_back(absl::StrCat(value, " on ", nodes[those[0]].host));
    finding.add_evidence(HostsWith(nodes, value, those));
  }
  finding.set_message(absl::StrCat("the nodes differ in ", what, ": ",
                                   absl::StrJoin(parts, ", ")));
  finding.set_next(next);
  findings->push_back(std::move(finding));
}

void CompareGpuCounts(const TestedNodes& nodes,
                      std::vector<FabricFinding>* findings) {
  std::map<int, std::vector<uint32_t>> counts;
  size_t total = 0;
  for (const uint32_t node : GoodNodes(nodes)) {
    if (!nodes[node].inventory) continue;
    counts[nodes[node].inventory->gpus_size()].push_back(node);
    ++total;
  }
  if (counts.size() < 2) return;
  // Of equals the one with more GPUs, which comes last.
  const auto most = std::max_element(counts.rbegin(), counts.rend(),
                                     [](const auto& a, const auto& b) {
                                       return a.second.size() < b.second.size();
                                     });
  const bool majority = 2 * most->second.size() > total;
  for (const uint32_t node : GoodNodes(nodes)) {
    if (!nodes[node].inventory) continue;
    const int gpus = nodes[node].inventory->gpus_size();
    // Who has none can't be tested, which is said already.
    if (gpus == most->first || gpus == 0) continue;
    if (!majority && gpus > most->first) continue;
    findings->push_back(OnNode(
        node, FABRIC_CULPRIT_NODE,
        gpus < most->first ? Severity::kHard : Severity::kSlow,
        majority ? Confidence::kConfirmed : Confidence::kProbable,
        absl::StrCat(nodes[node].host, " shows ", gpus, " GPUs; ",
                     most->second.size(), " of ", total, " nodes show ",
                     most->first),
        HostsWith(nodes, absl::StrCat(most->first, " GPUs"), most->second),
        absl::StrCat("on ", nodes[node].host,
                     ": nvidia-smi -L; dmesg | grep -i -e xid -e 'fallen off'; "
                     "echo $CUDA_VISIBLE_DEVICES")));
  }
}

void CheckGpus(uint32_t node, const TestedNode& tested,
               std::vector<FabricFinding>* findings) {
  for (const GpuFacts& gpu : tested.inventory->gpus()) {
    const auto add = [&](Severity severity, const std::string& what,
                         const std::string& evidence) {
      FabricFinding finding = OnNode(
          node, FABRIC_CULPRIT_GPU, severity, Confidence::kConfirmed,
          absl::StrCat(tested.host, " GPU ", gpu.gpu(), ": ", what), evidence,
          absl::StrCat("on ", tested.host, ": nvidia-smi -q -i ", gpu.gpu()));
      *finding.add_gpus() = SlotOf(node, gpu.gpu());
      finding.set_device(DeviceOf(tested, gpu.gpu()));
      findings->push_back(std::move(finding));
    };
    if (!gpu.problem().empty())
      add(Severity::kHard, gpu.problem(), "by the driver's own account");
    if (gpu.nvlinks_off() > 0) {
      add(Severity::kSlow,
          absl::StrCat(gpu.nvlinks_off(), " of its ",
                       gpu.nvlinks_off() + gpu.nvlinks(),
                       " NVLinks are not active"),
          absl::StrCat("the driver counts ", gpu.nvlinks(),
                       " NVLinks that are active"));
    }
  }
}

void CheckLimits(uint32_t node, const TestedNode& tested,
                 std::vector<FabricFinding>* findings) {
  const FabricInventory& inventory = *tested.inventory;
  if (inventory.gpus_size() > 1 && inventory.shm_bytes() > 0 &&
      inventory.shm_bytes() <= kSmallShm) {
    findings->push_back(OnNode(
        node, FABRIC_CULPRIT_CONFIG, Severity::kSlow, Confidence::kConfirmed,
        absl::StrCat("/dev/shm of ", tested.host, " has only ",
                     inventory.shm_bytes() / kMebibyte,
                     " MiB, which NCCL's ranks may fill"),
        absl::StrCat("/dev/shm: ", inventory.shm_bytes(), " bytes"),
        "start the container with --shm-size=1g, or --ipc=host"));
  }
  const bool rdma = std::any_of(
      inventory.nics().begin(), inventory.nics().end(),
      [](const NicFacts& nic) { return nic.layer() != "ethernet"; });
  if (rdma && inventory.memlock_bytes() < kSmallMemlock) {
    findings->push_back(OnNode(
        node, FABRIC_CULPRIT_CONFIG, Severity::kSlow, Confidence::kConfirmed,
        absl::StrCat(tested.host, " may lock only ",
                     inventory.memlock_bytes() / 1024,
                     " KiB of memory, which RDMA needs"),
        absl::StrCat("RLIMIT_MEMLOCK: ", inventory.memlock_bytes(), " bytes"),
        "start the container with --ulimit memlock=-1, or raise it in "
        "limits.conf"));
  }
}

// By how many nodes a predicate holds.
template <typename Predicate>
size_t CountNodes(const TestedNodes& nodes, Predicate predicate) {
  size_t count = 0;
  for (const TestedNode& node : nodes) {
    count += node.good && node.inventory && predicate(*node.inventory);
  }
  return count;
}

// The first problem that a node has, with its name; "" for none.
template <typename Problem>
std::string FirstProblem(const TestedNodes& nodes, Problem problem) {
  for (const TestedNode& node : nodes) {
    if (node.good && node.inventory && !problem(*node.inventory).empty()) {
      return absl::StrCat(node.host, ": ", problem(*node.inventory));
    }
  }
  return "";
}

std::string NcclProblem(const FabricInventory& inventory) {
  if (inventory.gpus().empty()) return "it has no visible GPU";
  return inventory.nccl_problem();
}

std::string GlooProblem(const FabricInventory& inventory) {
  return inventory.gloo_problem();
}

}  // namespace

KindChoice ChooseKind(const TestedNodes& nodes,
                      const FabricSettings& settings) {
  const size_t known =
      CountNodes(nodes, [](const FabricInventory&) { return true; });
  const size_t with_gpus = CountNodes(nodes, [](const FabricInventory& i) {
    return i.gpus_size() > 0 && !i.pretended();
  });
  const size_t with_nccl = CountNodes(
      nodes, [](const FabricInventory& i) { return NcclProblem(i).empty(); });
  const size_t with_gloo = CountNodes(
      nodes, [](const FabricInventory& i) { return i.gloo_problem().empty(); });
  if (settings.kind() == FABRIC_NCCL || settings.kind() == FABRIC_GLOO) {
    const bool nccl = settings.kind() == FABRIC_NCCL;
    KindChoice choice{settings.kind(), "--fabric-check", ""};
    if ((nccl ? with_nccl : with_gloo) == 0) {
      choice.problem = absl::StrCat("no node can run the self-test with ",
                                    nccl ? "NCCL" : "Gloo", "; ",
                                    nccl ? FirstProblem(nodes, NcclProblem)
                                         : FirstProblem(nodes, GlooProblem));
    }
    return choice;
  }
  if (2 * with_gpus >= known && with_gpus > 0) {
    if (with_nccl > 0) {
      return {FABRIC_NCCL,
              absl::StrCat(with_gpus, " of ", known, " nodes have GPUs"), ""};
    }
    const bool named = CountNodes(nodes, [](const FabricInventory& i) {
                         return i.nccl_origin() == kNcclOfFlag;
                       }) > 0;
    if (named) {
      return {FABRIC_NCCL, kNcclOfFlag,
              absl::StrCat("no node can run the self-test with NCCL; ",
                           FirstProblem(nodes, NcclProblem))};
    }
    return {FABRIC_OFF,
            absl::StrCat("the GPUs are not tested; ",
                         FirstProblem(nodes, NcclProblem)),
            ""};
  }
  if (nodes.size() < 2) {
    return {FABRIC_OFF, "one node without GPUs has nothing to test", ""};
  }
  if (with_gloo < known) {
    return {FABRIC_OFF,
            absl::StrCat("the network is not tested; ",
                         FirstProblem(nodes, GlooProblem)),
            ""};
  }
  return {FABRIC_GLOO, "the nodes have no GPUs", ""};
}

std::vector<FabricFinding> CompareInventories(const TestedNodes& nodes,
                                              FabricKind kind) {
  std::vector<FabricFinding> findings;
  for (const uint32_t node : GoodNodes(nodes)) {
    const TestedNode& tested = nodes[node];
    if (!tested.inventory) continue;
    const std::string problem = HasGpus(kind)
                                    ? NcclProblem(*tested.inventory)
                                    : tested.inventory->gloo_problem();
    if (!problem.empty()) {
      findings.push_back(OnNode(
          node, FABRIC_CULPRIT_CONFIG, Severity::kHard, Confidence::kConfirmed,
          absl::StrCat(tested.host, " can't be tested with ",
                       HasGpus(kind) ? "NCCL" : "Gloo", ": ", problem),
          "by its own account",
          absl::StrCat("make ", tested.host,
                       " like the other nodes, or say --fabric-check off")));
    }
    if (!HasGpus(kind)) continue;
    CheckGpus(node, tested, &findings);
    CheckLimits(node, tested, &findings);
    CheckSwitches(nodes, node, &findings);
  }
  if (!HasGpus(kind)) return findings;
  CompareGpuCounts(nodes, &findings);
  CompareProperty(
      nodes, "NCCL",
      [](const FabricInventory& i) {
        return NcclVersionText(i.nccl_version());
      },
      Severity::kHard, "give every node the same image, or --nccl-library",
      &findings);
  CompareProperty(nodes, "GPUs of", GpuNames, Severity::kSlow,
                  "put nodes of one kind into the job", &findings);
  CompareProperty(
      nodes, "driver", [](const FabricInventory& i) { return i.driver(); },
      Severity::kSlow, "install the same driver on every node", &findings);
  CompareProperty(nodes, "as NICs", Nics, Severity::kSlow,
                  "ibstat on that node; a port may be down", &findings);
  return findings;
}

bool ShareGpus(const TestedNodes& nodes) {
  std::set<std::string> seen;
  for (const TestedNode& node : nodes) {
    if (!node.inventory) continue;
    for (const GpuFacts& gpu : node.inventory->gpus()) {
      if (!gpu.uuid().empty() && !seen.insert(gpu.uuid()).second) return true;
    }
  }
  return false;
}

}  // namespace muster::fabric
