#include "launcher/fabric/fabric_table.h"

#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "launcher/fabric/nccl_version.h"
#include "launcher/fabric/view/figures.h"
#include "launcher/fabric/view/heat_map.h"
#include "launcher/fabric/view/node_table.h"
#include "launcher/fabric/view/paint.h"
#include "launcher/fabric/view/pair_table.h"
#include "launcher/fabric/view/report_facts.h"
#include "launcher/fabric/view/words.h"

namespace muster::fabric {
namespace {

constexpr char kIndent[] = "      ";

// "Self-test with NCCL (8 of 8 nodes have GPUs)", and whose NCCL that is.
std::string Title(const FabricReport& report) {
  const absl::string_view kind = KindName(report.kind());
  if (kind.empty()) return "";
  std::string text = absl::StrCat(
      "Self-test with ", kind,
      report.kind_from().empty() ? ""
                                 : absl::StrCat(" (", report.kind_from(), ")"),
      "\n");
  if (report.kind() != FABRIC_NCCL) return text;
  std::map<std::string, int> libraries;
  for (const FabricNode& node : report.nodes()) {
    const FabricInventory& inventory = node.inventory();
    if (inventory.nccl_version() == 0) continue;
    ++libraries[absl::StrCat(
        "NCCL ", NcclVersionText(inventory.nccl_version()), " of ",
        inventory.nccl_library(),
        inventory.nccl_origin().empty()
            ? ""
            : absl::StrCat(" (", inventory.nccl_origin(), ")"))];
  }
  for (const auto& [library, nodes] : libraries) {
    absl::StrAppend(&text, library, " on ", CountText(nodes, "node"), "\n");
  }
  return text;
}

// "FAIL  link host1 - host3 (confirmed)", and below it what is known.
std::string FindingText(const FabricReport& report,
                        const FabricFinding& finding,
                        const TableOptions& options) {
  const std::string verdict =
      absl::AsciiStrToUpper(std::string(VerdictWord(finding.verdict())));
  const std::string who = CulpritText(report, finding);
  std::string text = absl::StrCat(
      Paint(verdict, finding.verdict(), options.colour), "  ",
      CulpritWord(finding.culprit()), who.empty() ? "" : " ", who,
      finding.device().empty() ? "" : absl::StrCat(", ", finding.device()),
      " (", ConfidenceWord(finding.confidence()), ")\n",
      Wrap(kIndent, finding.message(), options.columns));
  for (const std::string& line : finding.evidence()) {
    absl::StrAppend(&text,
                    Wrap(absl::StrCat(kIndent, "- "), line, options.columns));
  }
  // Whole, since it is there to be copied.
  if (!finding.next().empty()) {
    absl::StrAppend(&text, kIndent, "next: ", finding.next(), "\n");
  }
  return text;
}

std::string Notes(const FabricReport& report, size_t columns) {
  std::string text;
  for (const std::string& note : report.notes()) {
    if (note != report.kind_from()) {
      absl::StrAppend(&text, Wrap("note: ", note, columns));
    }
  }
  return text;
}

// "2 failures, 1 warning"; "" without findings.
std::string FindingCounts(const FabricReport& report) {
  const auto count = [&](FabricVerdict verdict) {
    return std::count_if(report.findings().begin(), report.findings().end(),
                         [verdict](const FabricFinding& finding) {
                           return finding.verdict() == verdict;
                         });
  };
  std::vector<std::string> parts;
  const auto failures = count(FABRIC_VERDICT_FAIL);
  const auto warnings = count(FABRIC_VERDICT_WARN);
  if (failures > 0) parts.push_back(CountText(failures, "failure"));
  if (warnings > 0) parts.push_back(CountText(warnings, "warning"));
  return absl::StrJoin(parts, ", ");
}

std::string LastLine(const FabricReport& report, bool colour) {
  if (VerdictWord(report) == "none") {
    const bool cut = report.verdict() == FABRIC_VERDICT_UNSPECIFIED;
    return absl::StrCat(
        Paint(cut ? "CUT SHORT" : "NOT TESTED", FABRIC_VERDICT_WARN, colour),
        "  ", Summary(report),
        cut || report.kind_from().empty() ? "" : ": " + report.kind_from(),
        "\n");
  }
  const std::string word =
      absl::AsciiStrToUpper(std::string(VerdictWord(report.verdict())));
  const std::string counts = FindingCounts(report);
  return absl::StrCat(Paint(word, report.verdict(), colour), "  ",
                      Summary(report), counts.empty() ? "" : ": ", counts,
                      "\n");
}

}  // namespace

std::string FabricTable(const FabricReport& report,
                        const TableOptions& options) {
  const FabricReport safe = Harmless(report);
  std::vector<std::string> parts;
  parts.push_back(Title(safe));
  parts.push_back(NodeTable(safe, options.colour));
  parts.push_back(RoundTable(safe));
  parts.push_back(PairTable(safe, options.colour));
  parts.push_back(LimitLines(safe, options.columns));
  if (options.heat_map) {
    parts.push_back(HeatMap(safe, options.columns, options.colour));
  }
  for (const FabricFinding& finding : safe.findings()) {
    parts.push_back(FindingText(safe, finding, options));
  }
  parts.push_back(Notes(safe, options.columns));
  parts.push_back(LastLine(safe, options.colour));
  std::erase(parts, "");
  return absl::StrJoin(parts, "\n");
}

}  // namespace muster::fabric
