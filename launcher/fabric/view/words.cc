#include "launcher/fabric/view/words.h"

namespace muster::fabric {

absl::string_view VerdictWord(FabricVerdict verdict) {
  switch (verdict) {
    case FABRIC_VERDICT_PASS:
      return "pass";
    case FABRIC_VERDICT_WARN:
      return "warn";
    case FABRIC_VERDICT_FAIL:
      return "fail";
    default:
      return "none";
  }
}

absl::string_view VerdictWord(const FabricReport& report) {
  const bool untested =
      report.kind() == FABRIC_OFF && report.verdict() == FABRIC_VERDICT_PASS;
  return untested ? "none" : VerdictWord(report.verdict());
}

absl::string_view KindWord(FabricKind kind) {
  switch (kind) {
    case FABRIC_AUTO:
      return "auto";
    case FABRIC_NCCL:
      return "nccl";
    case FABRIC_GLOO:
      return "gloo";
    case FABRIC_OFF:
      return "off";
    default:
      return "";
  }
}

absl::string_view KindName(FabricKind kind) {
  switch (kind) {
    case FABRIC_NCCL:
      return "NCCL";
    case FABRIC_GLOO:
      return "Gloo";
    default:
      return "";
  }
}

absl::string_view PhaseWord(FabricPhase phase) {
  switch (phase) {
    case FABRIC_PHASE_INVENTORY:
      return "inventory";
    case FABRIC_PHASE_SOLO:
      return "solo";
    case FABRIC_PHASE_LOCAL:
      return "local";
    case FABRIC_PHASE_NETWORK:
      return "network";
    case FABRIC_PHASE_WORLD:
      return "world";
    default:
      return "";
  }
}

absl::string_view CulpritWord(FabricCulprit culprit) {
  switch (culprit) {
    case FABRIC_CULPRIT_NODE:
      return "node";
    case FABRIC_CULPRIT_GPU:
      return "gpu";
    case FABRIC_CULPRIT_RAIL:
      return "rail";
    case FABRIC_CULPRIT_LINK:
      return "link";
    case FABRIC_CULPRIT_CONFIG:
      return "config";
    case FABRIC_CULPRIT_PAIR:
      return "pair";
    case FABRIC_CULPRIT_FABRIC:
      return "fabric";
    default:
      return "";
  }
}

absl::string_view ConfidenceWord(FabricConfidence confidence) {
  switch (confidence) {
    case FABRIC_CONFIDENCE_AMBIGUOUS:
      return "ambiguous";
    case FABRIC_CONFIDENCE_PROBABLE:
      return "probable";
    case FABRIC_CONFIDENCE_CONFIRMED:
      return "confirmed";
    default:
      return "";
  }
}

absl::string_view FailureWord(FabricFailureKind kind) {
  switch (kind) {
    case FABRIC_FAILURE_ERROR:
      return "error";
    case FABRIC_FAILURE_TIMEOUT:
      return "timeout";
    case FABRIC_FAILURE_WRONG:
      return "wrong_data";
    case FABRIC_FAILURE_CRASHED:
      return "crashed";
    case FABRIC_FAILURE_STOPPED:
      return "stopped";
    case FABRIC_FAILURE_MISSING:
      return "missing_member";
    case FABRIC_FAILURE_ABORTED:
      return "aborted";
    case FABRIC_FAILURE_NO_PROBE:
      return "no_probe";
    default:
      return "";
  }
}

absl::string_view StageWord(FabricStage stage) {
  switch (stage) {
    case FABRIC_STAGE_START:
      return "start";
    case FABRIC_STAGE_MEMORY:
      return "memory";
    case FABRIC_STAGE_CONNECT:
      return "connect";
    case FABRIC_STAGE_RUN:
      return "run";
    case FABRIC_STAGE_CHECK:
      return "check";
    default:
      return "";
  }
}

absl::string_view NvlsWord(FabricNvls nvls) {
  switch (nvls) {
    case FABRIC_NVLS_OFF:
      return "off";
    case FABRIC_NVLS_MISSING:
      return "missing";
    case FABRIC_NVLS_USABLE:
      return "usable";
    default:
      return "";
  }
}

}  // namespace muster::fabric
