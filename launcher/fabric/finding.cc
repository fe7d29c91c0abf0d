#include "launcher/fabric/finding.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace muster::fabric {
namespace {

// More lines would hide the first ones.
constexpr size_t kMostEvidence = 8;
constexpr int kLogLines = 3;

const char* StageText(FabricStage stage) {
  switch (stage) {
    case FABRIC_STAGE_START:
      return "at its start";
    case FABRIC_STAGE_MEMORY:
      return "in the memory test";
    case FABRIC_STAGE_CONNECT:
      return "while connecting";
    case FABRIC_STAGE_RUN:
      return "while reducing";
    case FABRIC_STAGE_CHECK:
      return "in the check of the data";
    default:
      return "";
  }
}

std::string KindText(const FabricFailure& failure) {
  switch (failure.kind()) {
    case FABRIC_FAILURE_TIMEOUT:
      return "timed out";
    case FABRIC_FAILURE_WRONG:
      return absl::StrCat("wrong data (", failure.wrong(),
                          failure.wrong() == 1 ? " element)" : " elements)");
    case FABRIC_FAILURE_CRASHED:
      return "crashed";
    case FABRIC_FAILURE_STOPPED:
      return "stopped";
    case FABRIC_FAILURE_MISSING:
      return "missed a member";
    case FABRIC_FAILURE_ABORTED:
      return "was called off";
    case FABRIC_FAILURE_NO_PROBE:
      return "has no probe";
    default:
      return "failed";
  }
}

}  // namespace

FabricFinding NewFinding(FabricPhase phase, FabricCulprit culprit,
                         Severity severity, Confidence confidence) {
  FabricFinding finding;
  finding.set_verdict(severity == Severity::kHard ? FABRIC_VERDICT_FAIL
                                                  : FABRIC_VERDICT_WARN);
  finding.set_phase(phase);
  finding.set_culprit(culprit);
  switch (confidence) {
    case Confidence::kAmbiguous:
      finding.set_confidence(FABRIC_CONFIDENCE_AMBIGUOUS);
      break;
    case Confidence::kProbable:
      finding.set_confidence(FABRIC_CONFIDENCE_PROBABLE);
      break;
    case Confidence::kConfirmed:
      finding.set_confidence(FABRIC_CONFIDENCE_CONFIRMED);
      break;
  }
  return finding;
}

bool IsOfOneGpu(const FabricFinding& a, const FabricFinding& b) {
  const auto is_gpu = [](const FabricFinding& finding) {
    return (finding.culprit() == FABRIC_CULPRIT_GPU ||
            finding.culprit() == FABRIC_CULPRIT_RAIL) &&
           finding.phase() != FABRIC_PHASE_INVENTORY &&
           finding.gpus_size() == 1;
  };
  return is_gpu(a) && is_gpu(b) && a.verdict() == b.verdict() &&
         a.gpus(0).node() == b.gpus(0).node() &&
         a.gpus(0).gpu() == b.gpus(0).gpu();
}

std::string DeviceOf(const TestedNode& node, uint32_t gpu) {
  const GpuFacts* facts = node.Gpu(gpu);
  if (!facts) return "";
  std::vector<std::string> parts;
  if (!facts->uuid().empty()) parts.push_back(facts->uuid());
  if (!facts->pci().empty()) parts.push_back(facts->pci());
  return absl::StrJoin(parts, ", ");
}

std::string FailureText(const FabricFailure& failure) {
  std::string text = KindText(failure);
  const std::string stage = StageText(failure.stage());
  if (!stage.empty()) absl::StrAppend(&text, " ", stage);
  if (!failure.message().empty()) {
    absl::StrAppend(&text, ": ", failure.message());
  }
  return text;
}

std::string EvidenceLine(const TestedNodes& nodes, FabricKind kind,
                         const FabricTest& test) {
  std::string line = absl::StrCat(
      "round ", test.round(), ", ",
      test.members_size() == 2
          ? absl::StrCat(NameOf(nodes, test.members(0), kind), " - ",
                         NameOf(nodes, test.members(1), kind))
      : test.members_size() == 1
          ? NameOf(nodes, test.members(0), kind)
          : absl::StrCat(test.members_size(), " together"),
      ": ");
  if (!test.has_failure()) {
    absl::StrAppendFormat(&line, "%.3g GB/s", test.busbw());
    if (test.limit() > 0) {
      absl::StrAppendFormat(&line, ", limit %.3g (%s)", test.limit(),
                            test.limit_from());
    }
    return line;
  }
  const Slot& failed = test.members(static_cast<int>(test.failed_rank()));
  absl::StrAppend(&line, NameOf(nodes, failed, kind), " ",
                  FailureText(test.failure()));
  if (!test.log().empty()) {
    absl::StrAppend(&line, "; log ", test.log(), " of ",
                    nodes[failed.node()].host);
  }
  return line;
}

void AddEvidence(const TestedNodes& nodes, FabricKind kind,
                 const std::vector<const FabricTest*>& tests,
                 FabricFinding* finding) {
  const FabricTest* with_log = nullptr;
  const int before = finding->evidence_size();
  for (const FabricTest* test : tests) {
    if (finding->evidence_size() - before < static_cast<int>(kMostEvidence)) {
      finding->add_evidence(EvidenceLine(nodes, kind, *test));
    }
    if (test->failure().log_tail_size() > 0) with_log = test;
    if (!test->has_failure() && test->verdict() == FABRIC_VERDICT_FAIL) {
      finding->set_verdict(FABRIC_VERDICT_FAIL);
    }
  }
  if (tests.size() > kMostEvidence) {
    const size_t more = tests.size() - kMostEvidence;
    finding->add_evidence(
        absl::StrCat("and ", more, more == 1 ? " test more" : " tests more"));
  }
  if (!with_log) return;
  const auto& tail = with_log->failure().log_tail();
  for (int i = std::max(0, tail.size() - kLogLines); i < tail.size(); ++i) {
    finding->add_evidence(absl::StrCat("log: ", tail[i]));
  }
}

}  // namespace muster::fabric
