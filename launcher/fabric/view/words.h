// The words of fabric.json, which the tables share.
#ifndef MUSTER_LAUNCHER_FABRIC_VIEW_WORDS_H_
#define MUSTER_LAUNCHER_FABRIC_VIEW_WORDS_H_

#include "absl/strings/string_view.h"
#include "proto/fabric.pb.h"

namespace muster::fabric {

// What is unspecified is "none", or "" where nothing is said of it.

absl::string_view VerdictWord(FabricVerdict verdict);
// Of the whole: "none" where nothing was tested, or not to the end.
absl::string_view VerdictWord(const FabricReport& report);
absl::string_view KindWord(FabricKind kind);  // "nccl"
absl::string_view KindName(FabricKind kind);  // "NCCL"
absl::string_view PhaseWord(FabricPhase phase);
absl::string_view CulpritWord(FabricCulprit culprit);
absl::string_view ConfidenceWord(FabricConfidence confidence);
absl::string_view FailureWord(FabricFailureKind kind);
absl::string_view StageWord(FabricStage stage);
absl::string_view NvlsWord(FabricNvls nvls);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_VIEW_WORDS_H_
