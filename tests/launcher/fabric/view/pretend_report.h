// Reports of self-tests, made by hand.
#ifndef MUSTER_TESTS_LAUNCHER_FABRIC_VIEW_PRETEND_REPORT_H_
#define MUSTER_TESTS_LAUNCHER_FABRIC_VIEW_PRETEND_REPORT_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/fabric.pb.h"

namespace muster::fabric::test {

inline constexpr uint64_t kMebibyte = 1 << 20;

// host1, host2, ... at 10.0.0.1, ..., with `gpus` each; all of them pass. With
// Gloo there are no GPUs.
inline FabricReport PretendReport(FabricKind kind, int nodes, int gpus = 0) {
  FabricReport report;
  report.set_run_id("run-1");
  report.set_kind(kind);
  report.set_kind_from(kind == FABRIC_NCCL ? "--fabric-check"
                                           : "the nodes have no GPUs");
  report.set_verdict(FABRIC_VERDICT_PASS);
  report.set_seconds(1.42);
  for (int i = 0; i < nodes; ++i) {
    FabricNode* node = report.add_nodes();
    node->set_host(absl::StrCat("host", i + 1));
    node->set_address(absl::StrCat("10.0.", i / 250, ".", i % 250 + 1));
    node->set_verdict(FABRIC_VERDICT_PASS);
    for (int g = 0; g < gpus; ++g) {
      GpuFacts* gpu = node->mutable_inventory()->add_gpus();
      gpu->set_gpu(g);
      gpu->set_name("NVIDIA H100 80GB HBM3");
      gpu->set_uuid(absl::StrCat("GPU-", i + 1, "-", g));
      gpu->set_pci(absl::StrCat("0000:", g + 1, "b:00.0"));
    }
  }
  return report;
}

// A test that ended. Members are (node, gpu).
inline FabricTest* AddTest(
    FabricReport* report, FabricPhase phase, uint32_t round,
    const std::vector<std::pair<uint32_t, uint32_t>>& members, double busbw) {
  report->set_rounds(std::max(report->rounds(), round));
  FabricTest* test = report->add_tests();
  test->set_phase(phase);
  test->set_round(round);
  for (const auto& [node, gpu] : members) {
    Slot* slot = test->add_members();
    slot->set_node(node);
    slot->set_gpu(gpu);
  }
  const auto count = static_cast<double>(members.size());
  const double factor = members.size() < 2 ? 1 : 2 * (count - 1) / count;
  test->set_verdict(FABRIC_VERDICT_PASS);
  test->set_bytes(4 * kMebibyte);
  test->set_busbw(busbw);
  test->set_algbw(busbw / factor);
  test->set_seconds(static_cast<double>(test->bytes()) / test->algbw() / 1e9);
  return test;
}

inline FabricTest* AddPair(FabricReport* report, uint32_t round, uint32_t a,
                           uint32_t b, double busbw, uint32_t gpu = 0) {
  FabricTest* test =
      AddTest(report, FABRIC_PHASE_NETWORK, round, {{a, gpu}, {b, gpu}}, busbw);
  test->set_what("1 pair of neighbours");
  return test;
}

// Makes it one that failed, by the member of that rank.
inline void Fail(FabricTest* test, FabricFailureKind kind, FabricStage stage,
                 uint32_t rank, const std::string& message) {
  test->set_verdict(FABRIC_VERDICT_FAIL);
  for (const int field : {6, 7, 8, 9}) {
    const auto* descriptor = test->GetDescriptor()->FindFieldByNumber(field);
    test->GetReflection()->ClearField(test, descriptor);
  }
  test->mutable_failure()->set_kind(kind);
  test->mutable_failure()->set_stage(stage);
  test->mutable_failure()->set_message(message);
  test->set_failed_rank(rank);
}

inline FabricFinding* AddFinding(FabricReport* report, FabricVerdict verdict,
                                 FabricPhase phase, FabricCulprit culprit,
                                 FabricConfidence confidence,
                                 const std::vector<uint32_t>& nodes,
                                 const std::string& message) {
  report->set_verdict(std::max(report->verdict(), verdict));
  FabricFinding* finding = report->add_findings();
  finding->set_verdict(verdict);
  finding->set_phase(phase);
  finding->set_culprit(culprit);
  finding->set_confidence(confidence);
  for (const uint32_t node : nodes) finding->add_nodes(node);
  finding->set_message(message);
  return finding;
}

// Three nodes with Gloo, all well.
inline FabricReport ThreeNodes() {
  FabricReport report = PretendReport(FABRIC_GLOO, 3);
  AddPair(&report, 1, 0, 1, 1.25)->set_limit(0.6);
  AddPair(&report, 2, 0, 2, 1.2)->set_limit(0.6);
  AddTest(&report, FABRIC_PHASE_WORLD, 3, {{0, 0}, {1, 0}, {2, 0}}, 0.9)
      ->set_what("all together");
  return report;
}

// The link between host1 and host3 of four nodes fails, twice.
inline FabricReport BrokenLink() {
  FabricReport report = PretendReport(FABRIC_GLOO, 4);
  const auto fail = [&](uint32_t round) {
    FabricTest* test = AddPair(&report, round, 0, 2, 1);
    Fail(test, FABRIC_FAILURE_TIMEOUT, FABRIC_STAGE_CONNECT, 1,
         "no answer from 10.0.0.1 within 2 s");
    test->set_log("/tmp/probe.log");
  };
  AddPair(&report, 1, 1, 3, 1.25);
  fail(1);
  AddPair(&report, 2, 0, 1, 1.25);
  AddPair(&report, 2, 2, 3, 1.2);
  fail(3);
  FabricFinding* finding = AddFinding(
      &report, FABRIC_VERDICT_FAIL, FABRIC_PHASE_NETWORK, FABRIC_CULPRIT_LINK,
      FABRIC_CONFIDENCE_CONFIRMED, {0, 2},
      "the link between host1 and host3 fails; both are well with others");
  finding->add_evidence(
      "round 1, host1 - host3: host3 timed out while connecting: no answer "
      "from 10.0.0.1 within 2 s; log /tmp/probe.log of host3");
  finding->set_next("on host1: ping -c 3 10.0.0.3");
  report.mutable_nodes(0)->set_verdict(FABRIC_VERDICT_WARN);
  report.mutable_nodes(2)->set_verdict(FABRIC_VERDICT_WARN);
  return report;
}

}  // namespace muster::fabric::test

#endif  // MUSTER_TESTS_LAUNCHER_FABRIC_VIEW_PRETEND_REPORT_H_
