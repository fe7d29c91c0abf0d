#include "launcher/fabric/view/node_table.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "launcher/fabric/view/figures.h"
#include "launcher/fabric/view/paint.h"
#include "launcher/fabric/view/report_facts.h"
#include "launcher/fabric/view/words.h"
#include "launcher/terminal/columns.h"

namespace muster::fabric {
namespace {

using Cells = std::vector<std::string>;
using terminal::Column;
using terminal::Table;

// More GPUs are summed up by node, and of more nodes only some are shown.
constexpr size_t kMostRows = 64;
constexpr size_t kMostBad = 40;
constexpr size_t kSlowest = 5;

std::string Figure(const FabricTest* test) {
  if (!test) return "-";
  return test->has_failure() ? "failed" : FigureText(test->busbw());
}

// "-" where it was not tried, "failed" where no test ended.
std::string Middle(const SlotTests& tests) {
  if (tests.network.empty()) return "-";
  const std::vector<double> speeds = tests.NetworkSpeeds();
  return speeds.empty() ? "failed" : FigureText(Median(speeds));
}

std::string Worst(const SlotTests& tests) {
  const std::vector<double> speeds = tests.NetworkSpeeds();
  return speeds.empty()
             ? Middle(tests)
             : FigureText(*std::min_element(speeds.begin(), speeds.end()));
}

size_t Failed(const SlotTests& tests) {
  return tests.network.size() - tests.NetworkSpeeds().size();
}

// "pass", "fail, left out", "fail, lost".
std::string Verdict(const FabricNode& node, FabricVerdict verdict,
                    bool colour) {
  return Paint(
      absl::StrCat(VerdictWord(verdict), node.left_out() ? ", left out" : "",
                   node.lost().empty() ? "" : ", lost"),
      verdict, colour);
}

std::string Name(const GpuFacts* gpu) {
  if (!gpu || gpu->name().empty()) return "-";
  return std::string(absl::StripPrefix(gpu->name(), "NVIDIA "));
}

const GpuFacts* Gpu(const FabricNode& node, uint32_t gpu) {
  for (const GpuFacts& facts : node.inventory().gpus()) {
    if (facts.gpu() == gpu) return &facts;
  }
  return nullptr;
}

// Which nodes have a row, in their order, when not all have one.
std::vector<int> Shown(const FabricReport& report,
                       const std::map<uint32_t, SlotTests>& tests) {
  std::vector<int> nodes(report.nodes_size());
  std::iota(nodes.begin(), nodes.end(), 0);
  if (nodes.size() <= kMostRows) return nodes;
  const auto rank = [&](int node) {
    const std::vector<double> speeds =
        tests.at(static_cast<uint32_t>(node)).NetworkSpeeds();
    return std::make_pair(
        -static_cast<int>(report.nodes(node).verdict()),
        speeds.empty() ? 0 : *std::min_element(speeds.begin(), speeds.end()));
  };
  std::vector<std::pair<std::pair<int, double>, int>> ranked;
  for (const int node : nodes) ranked.emplace_back(rank(node), node);
  std::sort(ranked.begin(), ranked.end());
  const auto bad = static_cast<size_t>(std::count_if(
      report.nodes().begin(), report.nodes().end(),
      [](const auto& node) { return node.verdict() > FABRIC_VERDICT_PASS; }));
  ranked.resize(std::min(bad, kMostBad) + kSlowest);
  nodes.clear();
  for (const auto& each : ranked) nodes.push_back(each.second);
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

// "and 500 nodes more, all pass"; of a test that was cut short not every node
// has a verdict.
std::string Rest(const FabricReport& report, const std::vector<int>& shown) {
  const size_t more = report.nodes_size() - shown.size();
  if (more == 0) return "";
  std::vector<bool> seen(report.nodes_size());
  for (const int node : shown) seen[node] = true;
  size_t bad = 0;
  size_t open = 0;
  for (int i = 0; i < report.nodes_size(); ++i) {
    if (seen[i]) continue;
    bad += report.nodes(i).verdict() > FABRIC_VERDICT_PASS;
    open += report.nodes(i).verdict() == FABRIC_VERDICT_UNSPECIFIED;
  }
  std::vector<std::string> parts;
  if (bad > 0) parts.push_back(absl::StrCat(bad, " of them do not pass"));
  if (open > 0) parts.push_back(absl::StrCat(open, " without a verdict"));
  if (parts.empty()) parts.emplace_back("all pass");
  return absl::StrCat("and ", CountText(more, "node"), " more, ",
                      absl::StrJoin(parts, ", "), "\n");
}

// A row for each node that is shown. `middle` fills what is between the node's
// host and its verdict.
using MiddleCells =
    std::function<Cells(const FabricNode& node, const SlotTests& own)>;
std::string Nodes(const FabricReport& report, bool colour,
                  const std::vector<Column>& columns,
                  const MiddleCells& middle) {
  const std::map<uint32_t, SlotTests> tests = ByNode(report);
  const std::vector<int> shown = Shown(report, tests);
  std::vector<Cells> rows;
  for (const int i : shown) {
    const FabricNode& node = report.nodes(i);
    Cells& row = rows.emplace_back(Cells{absl::StrCat(i), HostOf(report, i)});
    for (std::string& cell : middle(node, tests.at(static_cast<uint32_t>(i)))) {
      row.push_back(std::move(cell));
    }
    row.push_back(Verdict(node, node.verdict(), colour));
  }
  return absl::StrCat(Table(columns, rows), Rest(report, shown));
}

std::string GlooNodes(const FabricReport& report, bool colour) {
  return Nodes(report, colour,
               {{"NODE", true},
                {"HOST"},
                {"ADDRESS"},
                {"PAIRS", true},
                {"FAILED", true},
                {"MEDIAN GB/s", true},
                {"WORST GB/s", true},
                {"VERDICT"}},
               [](const FabricNode& node, const SlotTests& own) -> Cells {
                 return {node.address().empty() ? "-" : node.address(),
                         absl::StrCat(own.network.size()),
                         absl::StrCat(Failed(own)), Middle(own), Worst(own)};
               });
}

std::string NodesOfManyGpus(const FabricReport& report, bool colour) {
  return Nodes(report, colour,
               {{"NODE", true},
                {"HOST"},
                {"GPUS", true},
                {"NAME"},
                {"SOLO GB/s", true},
                {"LOCAL GB/s", true},
                {"NET GB/s", true},
                {"WORST", true},
                {"FAILED", true},
                {"VERDICT"}},
               [](const FabricNode& node, const SlotTests& own) -> Cells {
                 return {absl::StrCat(node.inventory().gpus_size()),
                         Name(Gpu(node, 0)),
                         Figure(own.solo),
                         Figure(own.local),
                         Middle(own),
                         Worst(own),
                         absl::StrCat(Failed(own))};
               });
}

std::string Gpus(const FabricReport& report,
                 const std::map<SlotKey, SlotTests>& slots, bool colour) {
  std::vector<Cells> rows;
  for (int i = 0; i < report.nodes_size(); ++i) {
    const FabricNode& node = report.nodes(i);
    auto it = slots.lower_bound({static_cast<uint32_t>(i), 0});
    if (it == slots.end() || it->first.first != static_cast<uint32_t>(i)) {
      rows.push_back({absl::StrCat(i), HostOf(report, i), "-", "-", "-", "-",
                      "-", Verdict(node, node.verdict(), colour)});
    }
    for (; it != slots.end() && it->first.first == static_cast<uint32_t>(i);
         ++it) {
      const SlotTests& own = it->second;
      rows.push_back(
          {absl::StrCat(i), HostOf(report, i), absl::StrCat(it->first.second),
           Name(Gpu(node, it->first.second)), Figure(own.solo),
           Figure(own.local), Middle(own), Verdict(node, own.verdict, colour)});
    }
  }
  return Table({{"NODE", true},
                {"HOST"},
                {"GPU", true},
                {"NAME"},
                {"SOLO GB/s", true},
                {"LOCAL GB/s", true},
                {"NETWORK GB/s", true},
                {"VERDICT"}},
               rows);
}

}  // namespace

std::string NodeTable(const FabricReport& report, bool colour) {
  if (report.kind() != FABRIC_NCCL) return GlooNodes(report, colour);
  std::map<SlotKey, SlotTests> slots = BySlot(report);
  if (slots.size() > kMostRows) return NodesOfManyGpus(report, colour);
  // Who was tested and is in no finding passed, where the test came to its end.
  const bool ended = report.verdict() != FABRIC_VERDICT_UNSPECIFIED;
  for (auto& [slot, tests] : slots) {
    const bool tested = tests.solo || tests.local || !tests.network.empty();
    if (!ended || !tested) continue;
    tests.verdict = std::max(tests.verdict, FABRIC_VERDICT_PASS);
  }
  return Gpus(report, slots, colour);
}

}  // namespace muster::fabric
