#include "launcher/fabric/network_phase.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "launcher/fabric/finding.h"

namespace muster::fabric {
namespace {

constexpr uint32_t kHealthyRounds = 2;
// Of each part of a divided network; the evidence has them all.
constexpr size_t kHostsInMessage = 4;

Isolation::Options OptionsOf(const TestedNodes& nodes,
                             const FabricSettings& settings) {
  Isolation::Options options;
  for (const TestedNode& node : nodes) options.rails.push_back(node.slots);
  options.healthy_rounds =
      settings.rounds() > 0 ? settings.rounds() : kHealthyRounds;
  options.exhaustive = settings.exhaustive();
  return options;
}

// Whether a failure is seen on its own node alone, whoever the partner was.
bool IsOwn(FabricFailureKind kind) {
  return kind == FABRIC_FAILURE_NO_PROBE || kind == FABRIC_FAILURE_CRASHED ||
         kind == FABRIC_FAILURE_STOPPED;
}

// What is known of the very node that is to blame; null for nothing.
FabricFinding* CauseOf(const Blame& blame, std::vector<FabricFinding>* causes) {
  if (blame.what != Blame::What::kUnit) return nullptr;
  for (FabricFinding& cause : *causes) {
    if (cause.nodes_size() == 1 && cause.nodes(0) == blame.units[0]) {
      return &cause;
    }
  }
  return nullptr;
}

bool Has(const std::vector<uint32_t>& units, uint32_t unit) {
  return std::find(units.begin(), units.end(), unit) != units.end();
}

}  // namespace

NetworkPhase::NetworkPhase(const TestedNodes& nodes, FabricKind kind,
                           const FabricSettings& settings)
    : nodes_(nodes),
      kind_(kind),
      strict_(settings.strict()),
      isolation_(OptionsOf(nodes, settings)) {
  for (uint32_t node = 0; node < nodes.size(); ++node) {
    if (!nodes[node].good) isolation_.Exclude(node);
  }
}

Step NetworkPhase::Next() {
  Step step;
  const std::vector<Pair> pairs = isolation_.Next();
  step.what = isolation_.RoundText();
  for (const Pair& pair : pairs) {
    const uint32_t rails = std::min(nodes_[pair.a].slots, nodes_[pair.b].slots);
    for (uint32_t rail = 0; rail < rails; ++rail) {
      FabricGroup& group = step.groups.emplace_back();
      *group.add_members() = SlotOf(pair.a, rail);
      *group.add_members() = SlotOf(pair.b, rail);
      group.set_ring(true);
    }
  }
  return step;
}

void NetworkPhase::Take(uint32_t, const std::vector<JudgedTest>& tests) {
  if (HasGpus(kind_)) transports_.Take(tests);  // Gloo has TCP alone
  // The rails of a pair are neighbours in the step, in their order.
  for (size_t i = 0; i < tests.size();) {
    const auto pair_of = [&](size_t test) {
      const auto& members = tests[test].record.members();
      return Pair{members[0].node(), members[1].node()};
    };
    PairResult result{pair_of(i), {}};
    for (; i < tests.size() && pair_of(i) == result.pair; ++i) {
      result.rails.push_back(tests[i].verdict);
      tests_.push_back(tests[i].record);
    }
    isolation_.Record(result);
  }
}

void NetworkPhase::Lost(uint32_t node) { isolation_.Exclude(node); }

std::string NetworkPhase::HostsOf(const std::vector<uint32_t>& nodes,
                                  size_t most) const {
  std::vector<std::string> hosts;
  for (const uint32_t node : nodes) {
    if (hosts.size() < most) hosts.push_back(nodes_[node].host);
  }
  const size_t more = nodes.size() - hosts.size();
  return absl::StrCat(absl::StrJoin(hosts, ", "),
                      more > 0 ? absl::StrCat(" and ", more, " more") : "");
}

std::vector<const FabricTest*> NetworkPhase::TestsOf(const Blame& blame) const {
  std::vector<const FabricTest*> found;
  const auto in_one_part = [&](const Slot& a, const Slot& b) {
    return std::any_of(blame.parts.begin(), blame.parts.end(),
                       [&](const std::vector<uint32_t>& part) {
                         return Has(part, a.node()) && Has(part, b.node());
                       });
  };
  for (const FabricTest& test : tests_) {
    const Slot& a = test.members(0);
    const Slot& b = test.members(1);
    if (blame.rail && a.gpu() != *blame.rail) continue;
    const bool has_a = Has(blame.units, a.node());
    const bool has_b = Has(blame.units, b.node());
    const bool concerned =
        blame.units.empty() ||
        (blame.units.size() == 1 ? has_a || has_b : has_a && has_b);
    if (concerned && !in_one_part(a, b) &&
        test.verdict() != FABRIC_VERDICT_PASS) {
      found.push_back(&test);
    }
  }
  return found;
}

std::vector<uint32_t> NetworkPhase::SelfConfessed(
    const std::vector<const FabricTest*>& tests) const {
  std::set<uint32_t> nodes;
  for (const FabricTest* test : tests) {
    const FabricFailure& failure = test->failure();
    if (IsOwn(failure.kind())) {
      nodes.insert(test->members(static_cast<int>(test->failed_rank())).node());
    } else if (failure.kind() == FABRIC_FAILURE_MISSING && failure.has_peer() &&
               failure.peer() < 2) {
      nodes.insert(test->members(static_cast<int>(failure.peer())).node());
    } else {
      return {};
    }
  }
  // Who is the only one left could not be told from a partner's fault.
  if (nodes.size() >= GoodNodes(nodes_).size()) return {};
  return {nodes.begin(), nodes.end()};
}

std::vector<FabricFinding> NetworkPhase::Findings() const {
  std::vector<FabricFinding> findings;
  std::vector<FabricFinding> causes;
  transports_.AddFindings(nodes_, &causes);
  for (const Blame& blame : isolation_.Result()) {
    // Gloo is as fast as the processors are free.
    const bool by_chance = blame.what == Blame::What::kTransient &&
                           blame.severity == Severity::kSlow && !HasGpus(kind_);
    if (by_chance) continue;
    const std::vector<const FabricTest*> tests = TestsOf(blame);
    // That it takes the slower network is why it is slow.
    FabricFinding* cause =
        blame.severity == Severity::kSlow ? CauseOf(blame, &causes) : nullptr;
    if (cause) {
      AddEvidence(nodes_, kind_, tests, cause);
      continue;
    }
    if (blame.what == Blame::What::kPair ||
        blame.what == Blame::What::kFabric) {
      const std::vector<uint32_t> confessed = SelfConfessed(tests);
      for (const uint32_t node : confessed) {
        findings.push_back(Confessed(node, tests));
      }
      if (!confessed.empty()) continue;
    }
    FabricFinding finding = Describe(blame);
    for (const std::vector<uint32_t>& part : blame.parts) {
      finding.add_evidence(
          absl::StrCat("one part: ", HostsOf(part, part.size())));
    }
    AddEvidence(nodes_, kind_, tests, &finding);
    findings.push_back(std::move(finding));
  }
  std::move(causes.begin(), causes.end(), std::back_inserter(findings));
  return findings;
}

FabricFinding NetworkPhase::Confessed(
    uint32_t node, const std::vector<const FabricTest*>& tests) const {
  FabricFinding finding = NewFinding(id(), FABRIC_CULPRIT_NODE, Severity::kHard,
                                     Confidence::kProbable);
  finding.add_nodes(node);
  std::vector<const FabricTest*> own;
  for (const FabricTest* test : tests) {
    if (test->members(0).node() == node || test->members(1).node() == node) {
      own.push_back(test);
    }
  }
  finding.set_message(absl::StrCat(
      nodes_[node].host,
      " fails by its own account: ", FailureText(own.front()->failure())));
  finding.set_next(
      absl::StrCat("look at ", nodes_[node].host, " and its agent's log"));
  AddEvidence(nodes_, kind_, own, &finding);
  return finding;
}

FabricFinding NetworkPhase::Describe(const Blame& blame) const {
  const bool hard = blame.severity == Severity::kHard;
  const auto host = [&](size_t i) { return nodes_[blame.units[i]].host; };
  const auto make = [&](FabricCulprit culprit) {
    FabricFinding finding =
        NewFinding(id(), culprit, blame.severity, blame.confidence);
    for (const uint32_t unit : blame.units) {
      finding.add_nodes(unit);
      if (blame.rail && blame.parts.empty()) {
        *finding.add_gpus() = SlotOf(unit, *blame.rail);
      }
    }
    return finding;
  };
  const std::string on_rail = blame.rail && HasGpus(kind_)
                                  ? absl::StrCat(" on rail ", *blame.rail)
                                  : "";
  const char* how = hard ? "fails" : "is slow";
  switch (blame.what) {
    case Blame::What::kUnit: {
      FabricFinding finding = make(FABRIC_CULPRIT_NODE);
      finding.set_message(
          absl::StrCat(host(0), " ", how, " with every partner"));
      finding.set_next(absl::StrCat("on ", host(0),
                                    ": ip -s link; ibstat; dmesg | tail -50"));
      return finding;
    }
    case Blame::What::kRail: {
      FabricFinding finding = make(FABRIC_CULPRIT_RAIL);
      const uint32_t gpu = *blame.rail;
      finding.set_device(DeviceOf(nodes_[blame.units[0]], gpu));
      finding.set_message(absl::StrCat("GPU ", gpu, " of ", host(0),
                                       " or its NIC ", how,
                                       " with every partner"));
      finding.set_next(absl::StrCat("on ", host(0),
                                    ": nvidia-smi topo -m; ibstat; nvidia-smi "
                                    "-q -i ",
                                    gpu));
      return finding;
    }
    case Blame::What::kLink: {
      FabricFinding finding = make(FABRIC_CULPRIT_LINK);
      finding.set_message(absl::StrCat("the link between ", host(0), " and ",
                                       host(1), on_rail, " ", how,
                                       "; both are well with others"));
      finding.set_next(absl::StrCat(
          "on ", host(0), ": ping -c 3 -M do -s 1400 ",
          nodes_[blame.units[1]].address,
          "; then the switch ports, routes and firewall between the two"));
      return finding;
    }
    case Blame::What::kTransient: {
      FabricFinding finding = make(FABRIC_CULPRIT_LINK);
      finding.set_verdict(strict_ && hard ? FABRIC_VERDICT_FAIL
                                          : FABRIC_VERDICT_WARN);
      finding.set_message(absl::StrCat(
          host(0), " and ", host(1), on_rail, hard ? " failed" : " were slow",
          " together once, and not when it was tried again"));
      finding.set_next("run the test again: muster check --rounds 5");
      return finding;
    }
    case Blame::What::kPair: {
      FabricFinding finding = make(FABRIC_CULPRIT_PAIR);
      finding.set_message(absl::StrCat(
          host(0), " and ", host(1), on_rail, hard ? " fail" : " are slow",
          " together, and there is no third node to tell whose fault it is"));
      finding.set_next(
          "run muster check with a third node, or on each node with "
          "--nnodes 1");
      return finding;
    }
    case Blame::What::kDivided: {
      FabricFinding finding = make(FABRIC_CULPRIT_FABRIC);
      std::vector<std::string> parts;
      for (const std::vector<uint32_t>& part : blame.parts) {
        parts.push_back(HostsOf(part, kHostsInMessage));
      }
      finding.set_message(
          absl::StrCat("the network", on_rail, " is in ", parts.size(),
                       " parts, each of them well, and no pair across them ",
                       hard ? "works" : "is fast enough", ": ",
                       absl::StrJoin(parts, " | ")));
      finding.set_next(
          "look at what joins the parts: the uplinks between their switches, "
          "VLANs, partitions, routes and firewalls");
      return finding;
    }
    case Blame::What::kFabric:
      break;
  }
  FabricFinding finding = make(FABRIC_CULPRIT_FABRIC);
  finding.set_message(absl::StrCat(
      "no pair of nodes that was tried ", hard ? "works" : "is fast enough",
      on_rail,
      ": the cause is what they share (interface, firewall, switch, "
      "settings), and nobody can be blamed"));
  finding.set_next(
      "look at --advertise and NCCL_SOCKET_IFNAME, at firewalls between the "
      "nodes' ports 1024-65535, and at what the failures below say");
  return finding;
}

}  // namespace muster::fabric
