// What a job's log says of its self-test.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "launcher/fabric/fabric_table.h"
#include "launcher/fabric/view/figures.h"
#include "launcher/fabric/view/report_facts.h"
#include "launcher/fabric/view/words.h"

namespace muster::fabric {
namespace {

// More would hide what else the log says; fabric.json has all.
constexpr int kMostFindings = 8;
constexpr size_t kMostNames = 8;

// "; slowest pair host1 - host5 1.24 GB/s".
std::string SlowestPair(const FabricReport& report) {
  const FabricTest* slowest = nullptr;
  for (const FabricTest* test : NodePairs(report)) {
    if (test->has_failure() || test->busbw() <= 0) continue;
    if (!slowest || test->busbw() < slowest->busbw()) slowest = test;
  }
  if (!slowest) return "";
  return absl::StrCat("; slowest pair ", MembersText(report, *slowest), " ",
                      FigureText(slowest->busbw()), " GB/s");
}

std::vector<std::string> LeftOut(const FabricReport& report) {
  std::vector<std::string> names;
  for (int i = 0; i < report.nodes_size(); ++i) {
    const FabricNode& node = report.nodes(i);
    if (!node.left_out()) continue;
    names.push_back(absl::StrCat(
        HostOf(report, i),
        node.address().empty() ? "" : absl::StrCat(" (", node.address(), ")")));
  }
  return names;
}

std::string Headline(const FabricReport& report, size_t left_out) {
  const std::string summary = Summary(report, " with ");
  if (left_out > 0) {
    return absl::StrCat("self-test failed for ", left_out, " of ", summary);
  }
  switch (report.verdict()) {
    case FABRIC_VERDICT_PASS:
      return absl::StrCat("self-test passed: ", summary, SlowestPair(report));
    case FABRIC_VERDICT_WARN:
      return absl::StrCat("self-test passed with ",
                          CountText(report.findings_size(), "warning"), ": ",
                          summary, SlowestPair(report));
    case FABRIC_VERDICT_FAIL:
      return absl::StrCat("self-test failed: ", summary);
    default:
      return absl::StrCat("self-test cut short: ", summary);
  }
}

std::string Line(const FabricFinding& finding) {
  return absl::StrCat(
      finding.verdict() == FABRIC_VERDICT_FAIL ? "failure" : "warning", " (",
      ConfidenceWord(finding.confidence()), "): ", finding.message(),
      finding.next().empty() ? "" : "; next: ", finding.next());
}

}  // namespace

std::vector<std::string> FabricLines(const FabricReport& report) {
  if (VerdictWord(report) == "none" && report.kind() == FABRIC_OFF) return {};
  const FabricReport safe = Harmless(report);
  std::vector<std::string> left_out = LeftOut(safe);
  std::vector<std::string> lines = {Headline(safe, left_out.size())};
  for (const FabricFinding& finding : safe.findings()) {
    if (static_cast<int>(lines.size()) > kMostFindings) {
      lines.push_back(absl::StrCat(
          "and ", CountText(safe.findings_size() - kMostFindings, "finding"),
          " more, in fabric.json"));
      break;
    }
    lines.push_back(Line(finding));
  }
  if (left_out.empty()) return lines;
  const size_t more = left_out.size() - std::min(left_out.size(), kMostNames);
  left_out.resize(left_out.size() - more);
  if (more > 0) left_out.push_back(absl::StrCat("and ", more, " more"));
  lines.push_back(
      absl::StrCat("the job starts without ", absl::StrJoin(left_out, ", ")));
  return lines;
}

}  // namespace muster::fabric
