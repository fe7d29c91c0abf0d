#include "launcher/fabric/fabric_verdict.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rendezvous/exit_codes.h"

namespace muster::fabric {
namespace {

bool BlamesNobody(const FabricFinding& finding) {
  return finding.culprit() == FABRIC_CULPRIT_PAIR ||
         finding.culprit() == FABRIC_CULPRIT_FABRIC || finding.nodes().empty();
}

bool IsLinkOfTwo(const FabricFinding& finding) {
  return finding.culprit() == FABRIC_CULPRIT_LINK && finding.nodes_size() == 2;
}

// Of every broken link one end: again and again the one with most of them.
void CoverLinks(std::vector<const FabricFinding*> links,
                std::map<uint32_t, std::string>* bad) {
  const auto covered = [&](const FabricFinding* link) {
    return bad->contains(link->nodes(0)) || bad->contains(link->nodes(1));
  };
  std::erase_if(links, covered);
  while (!links.empty()) {
    std::map<uint32_t, int> count;
    for (const FabricFinding* link : links) {
      for (const uint32_t node : link->nodes()) ++count[node];
    }
    // Of equals the last: low ranks carry more, such as the master.
    const auto most = std::max_element(
        count.rbegin(), count.rend(),
        [](const auto& a, const auto& b) { return a.second < b.second; });
    const auto link = std::find_if(
        links.begin(), links.end(), [&](const FabricFinding* each) {
          return each->nodes(0) == most->first || each->nodes(1) == most->first;
        });
    bad->emplace(most->first, (*link)->message());
    std::erase_if(links, covered);
  }
}

}  // namespace

FabricVerdict WorstOf(const FabricReport& report) {
  FabricVerdict worst = FABRIC_VERDICT_PASS;
  for (const FabricFinding& finding : report.findings()) {
    worst = std::max(worst, finding.verdict());
  }
  return worst;
}

FabricDecision DecideFabric(const FabricReport& report, uint32_t min_nodes) {
  FabricDecision decision;
  std::map<uint32_t, std::string> bad;
  std::vector<const FabricFinding*> links;
  const FabricFinding* nobodys = nullptr;
  const FabricFinding* first = nullptr;
  size_t hard = 0;
  for (const FabricFinding& finding : report.findings()) {
    if (finding.verdict() != FABRIC_VERDICT_FAIL) continue;
    ++hard;
    if (BlamesNobody(finding)) {
      if (!nobodys) nobodys = &finding;
      continue;
    }
    if (!first) first = &finding;
    if (IsLinkOfTwo(finding)) {
      links.push_back(&finding);
    } else {
      for (const uint32_t node : finding.nodes()) {
        bad.emplace(node, finding.message());
      }
    }
  }
  if (hard == 0) return decision;
  CoverLinks(std::move(links), &bad);
  const size_t total = static_cast<size_t>(report.nodes_size());
  const size_t remaining = total - bad.size();
  if (!nobodys && !report.only() && remaining >= std::max(min_nodes, 1u)) {
    decision.left_out = std::move(bad);
    return decision;
  }
  const FabricFinding& told = first ? *first : *nobodys;
  decision.exit_code =
      first ? rendezvous::kExitNodeLost : rendezvous::kExitFabric;
  decision.message = told.message();
  if (hard > 1) {
    absl::StrAppend(&decision.message, "; and ", hard - 1,
                    hard == 2 ? " finding more" : " findings more");
  }
  if (first && !report.only() && min_nodes < total) {
    absl::StrAppend(&decision.message, "; ", remaining, " of ", total,
                    " nodes are well and --nnodes wants at least ", min_nodes);
  }
  if (!told.next().empty()) {
    absl::StrAppend(&decision.message, "; next: ", told.next());
  }
  if (!told.nodes().empty()) decision.node = told.nodes(0);
  return decision;
}

}  // namespace muster::fabric
