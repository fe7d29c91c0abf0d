#include "launcher/fabric/judge.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "launcher/fabric/bandwidth.h"
#include "launcher/fabric/limits.h"

namespace muster::fabric {
namespace {

// What one member lacks all do without. Who says nothing does not count.
FabricNvls WorseOf(FabricNvls a, FabricNvls b) {
  if (a == FABRIC_NVLS_UNSPECIFIED || b == FABRIC_NVLS_UNSPECIFIED) {
    return std::max(a, b);
  }
  return std::min(a, b);
}

// What was measured, by the slowest member.
void AddFigures(const GroupOutcome& outcome, FabricTest* record) {
  for (const SlotResult& result : outcome.results) {
    const FabricMeasurement& measured = result.measured();
    record->set_seconds(std::max(record->seconds(), measured.best()));
    record->set_connect_seconds(
        std::max(record->connect_seconds(), measured.connect_seconds()));
    record->set_bytes(measured.bytes());
    // Who fell back to TCP slows down all.
    if (record->network() != "Socket") record->set_network(measured.network());
    record->set_nvls(WorseOf(record->nvls(), measured.nvls()));
    for (const std::string& transport : measured.transports()) {
      const auto& known = record->transports();
      if (std::find(known.begin(), known.end(), transport) == known.end()) {
        record->add_transports(transport);
      }
    }
  }
  record->set_algbw(AlgorithmBandwidth(record->bytes(), record->seconds()));
  record->set_busbw(record->algbw() *
                    BusFactor(static_cast<uint32_t>(outcome.results.size())));
}

GpuHardware HardwareOf(const TestedNode& node, uint32_t gpu) {
  GpuHardware hardware;
  const GpuFacts* facts = node.Gpu(gpu);
  if (!facts) return hardware;
  hardware.name = facts->name();
  hardware.compute_capability = facts->capability();
  hardware.nvlinks = facts->nvlinks();
  // Those before Hopper have switches without such a state, and are left to
  // the table of profiles.
  hardware.nvswitch = !facts->fabric_state().empty();
  hardware.pcie_generation = facts->pcie_generation();
  hardware.pcie_lanes = facts->pcie_width();
  hardware.mig = facts->mig();
  hardware.busy = facts->processes() > 0;
  return hardware;
}

// What the hardware of a test's members should give.
Limits AbsoluteOf(const TestedNodes& nodes, const Scale& scale,
                  const FabricTest& test) {
  const FabricSettings& settings = scale.settings;
  if (test.phase() == FABRIC_PHASE_LOCAL) {
    LocalFacts facts;
    for (const Slot& slot : test.members()) {
      facts.gpus.push_back(HardwareOf(nodes[slot.node()], slot.gpu()));
    }
    // Where it can't be used a finding says so; the ring is judged as a ring.
    facts.nvls_off =
        test.nvls() == FABRIC_NVLS_OFF || test.nvls() == FABRIC_NVLS_MISSING;
    Override by_user{"--limit-local", {}};
    if (settings.limit_local() > 0) by_user.speed = settings.limit_local();
    // Pairs of one node take part of the links that all together take.
    if (!by_user.speed &&
        test.members_size() <
            static_cast<int>(nodes[test.members(0).node()].slots)) {
      return {};
    }
    return LocalLimits(facts, test.bytes(), by_user);
  }
  if (test.phase() != FABRIC_PHASE_NETWORK) return {};
  Override by_user{"--limit-network", {}};
  if (settings.limit_network() > 0) by_user.speed = settings.limit_network();
  double slowest = 0;
  for (const Slot& slot : test.members()) {
    const auto& inventory = nodes[slot.node()].inventory;
    const double gbps = inventory ? inventory->interface_gbps() : 0;
    if (gbps > 0 && (slowest == 0 || gbps < slowest)) slowest = gbps;
  }
  if (!HasGpus(scale.kind) || test.network() == "Socket") {
    return TcpLimits(slowest, by_user);
  }
  NetworkFacts facts;
  for (const Slot& slot : test.members()) {
    facts.gpus.push_back(HardwareOf(nodes[slot.node()], slot.gpu()));
  }
  if (const auto& inventory = nodes[test.members(0).node()].inventory) {
    for (const NicFacts& nic : inventory->nics()) {
      if (nic.active() && nic.layer() != "ethernet") {
        facts.nics_gbit = {nic.gbps()};  // a rail has one
      }
    }
  }
  return NetworkLimits(facts, test.bytes(), by_user);
}

// Tests with the same key can be held against each other.
std::string KindOfTest(const TestedNodes& nodes, const FabricTest& test) {
  std::set<std::string> hardware;
  for (const Slot& slot : test.members()) {
    const GpuFacts* gpu = nodes[slot.node()].Gpu(slot.gpu());
    if (gpu) hardware.insert(gpu->name());
  }
  return absl::StrCat(test.members_size(), " ", absl::StrJoin(hardware, ","));
}

// The limits of each kind of test.
std::map<std::string, Limits> RelativeOf(
    const TestedNodes& nodes, const Scale& scale, FabricPhase phase,
    const google::protobuf::RepeatedPtrField<FabricTest>& earlier,
    const std::vector<JudgedTest>& tests) {
  std::map<std::string, std::vector<double>> speeds;
  for (const JudgedTest& test : tests) {
    if (!test.outcome.passed()) continue;
    speeds[KindOfTest(nodes, test.record)].push_back(test.record.busbw());
  }
  for (const FabricTest& test : earlier) {
    if (test.phase() != phase || test.verdict() != FABRIC_VERDICT_PASS) {
      continue;
    }
    const auto same = speeds.find(KindOfTest(nodes, test));
    if (same != speeds.end()) same->second.push_back(test.busbw());
  }
  std::map<std::string, Limits> limits;
  for (const auto& [kind, those] : speeds) {
    limits[kind] =
        RelativeLimits(those, HasGpus(scale.kind) ? Noise::kLow : Noise::kHigh,
                       phase == FABRIC_PHASE_SOLO      ? "GPUs"
                       : phase == FABRIC_PHASE_NETWORK ? "pairs"
                       : phase == FABRIC_PHASE_LOCAL   ? "groups of GPUs"
                                                       : "tests");
  }
  return limits;
}

FabricTest RecordOf(const Occasion& occasion, const GroupOutcome& outcome) {
  FabricTest record;
  record.set_phase(occasion.phase);
  record.set_round(occasion.round);
  record.set_what(occasion.what);
  *record.mutable_members() = outcome.group.members();
  if (outcome.passed()) {
    AddFigures(outcome, &record);
    record.set_verdict(FABRIC_VERDICT_PASS);
    return record;
  }
  const uint32_t rank = MostTelling(outcome);
  record.set_verdict(FABRIC_VERDICT_FAIL);
  record.set_failed_rank(rank);
  record.set_log(outcome.results[rank].log());
  FabricFailure& failure = *record.mutable_failure();
  failure = outcome.results[rank].failed();
  // Two that miss each other tell nothing of who did not come.
  if (failure.kind() == FABRIC_FAILURE_MISSING && failure.has_peer()) {
    const bool misses_too = failure.peer() < outcome.results.size() &&
                            outcome.results[failure.peer()].failed().kind() ==
                                FABRIC_FAILURE_MISSING;
    if (misses_too) failure.clear_peer();
  }
  return record;
}

}  // namespace

std::vector<JudgedTest> Judge(
    const TestedNodes& nodes, const Scale& scale, const Occasion& occasion,
    const google::protobuf::RepeatedPtrField<FabricTest>& earlier,
    const std::vector<GroupOutcome>& outcomes) {
  std::vector<JudgedTest> tests;
  for (const GroupOutcome& outcome : outcomes) {
    JudgedTest& test = tests.emplace_back();
    test.outcome = outcome;
    test.record = RecordOf(occasion, outcome);
    if (!outcome.passed()) test.verdict = Outcome::kFail;
  }
  if (!scale.no_figures.empty()) return tests;
  const std::map<std::string, Limits> relative =
      RelativeOf(nodes, scale, occasion.phase, earlier, tests);
  for (JudgedTest& test : tests) {
    if (!test.outcome.passed()) continue;
    FabricTest& record = test.record;
    const Judgement judged =
        Judge(record.busbw(), AbsoluteOf(nodes, scale, record),
              relative.at(KindOfTest(nodes, record)));
    record.set_limit(judged.bound.speed);
    record.set_limit_from(judged.bound.origin);
    if (judged.speed != Speed::kWarn && judged.speed != Speed::kFail) continue;
    test.verdict = Outcome::kSlow;
    record.set_verdict(scale.settings.strict() && !judged.warn_only
                           ? FABRIC_VERDICT_FAIL
                           : FABRIC_VERDICT_WARN);
  }
  return tests;
}

}  // namespace muster::fabric
