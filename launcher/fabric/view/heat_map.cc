#include "launcher/fabric/view/heat_map.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "launcher/fabric/view/figures.h"
#include "launcher/fabric/view/report_facts.h"
#include "launcher/terminal/columns.h"

namespace muster::fabric {
namespace {

constexpr int kFewestNodes = 3;
constexpr int kMostNodes = 40;

// Backgrounds by tenths of the median: from red by yellow to green.
constexpr int kShades[] = {160, 196, 202, 208, 214, 220, 226, 190, 118, 46};
constexpr char kFailedColour[] = "\x1b[1;37;41m";
constexpr char kPlain[] = "\x1b[0m";

using Pairs = std::map<std::pair<uint32_t, uint32_t>, const FabricTest*>;

Pairs LastTests(const FabricReport& report) {
  Pairs pairs;
  for (const FabricTest* test : NodePairs(report)) {
    const uint32_t a = test->members(0).node();
    const uint32_t b = test->members(1).node();
    pairs[{a, b}] = pairs[{b, a}] = test;
  }
  return pairs;
}

// Two places wide.
std::string Cell(const FabricTest* test, double median, bool colour) {
  if (!test) return " .";
  if (test->has_failure()) {
    return colour ? absl::StrCat(kFailedColour, " x", kPlain) : " x";
  }
  const int tenths =
      median > 0
          ? std::clamp(static_cast<int>(10 * test->busbw() / median), 0, 9)
          : 9;
  return colour ? absl::StrCat("\x1b[30;48;5;", kShades[tenths], "m ", tenths,
                               kPlain)
                : absl::StrCat(" ", tenths);
}

}  // namespace

std::string HeatMap(const FabricReport& report, size_t columns, bool colour) {
  const int nodes = report.nodes_size();
  const Pairs pairs = LastTests(report);
  if (nodes < kFewestNodes || nodes > kMostNodes || pairs.empty()) return "";
  std::vector<double> speeds;
  for (const auto& [pair, test] : pairs) {
    if (!test->has_failure()) speeds.push_back(test->busbw());
  }
  const double median = Median(speeds);
  size_t label = 0;
  for (int i = 0; i < nodes; ++i) {
    label = std::max(label, terminal::Width(HostOf(report, i)));
  }
  // The index, the host and the cells.
  if (2 + 1 + label + 2 * static_cast<size_t>(nodes) > columns) {
    label = 0;
    if (2 + 2 * static_cast<size_t>(nodes) > columns) return "";
  }
  const size_t margin = label > 0 ? 3 + label : 2;
  std::string map =
      absl::StrCat("Pairs of nodes, busbw in tenths of the median ",
                   FigureText(median), " GB/s; x failed, . not tried\n");
  std::string tens(margin, ' ');
  std::string ones(margin, ' ');
  for (int i = 0; i < nodes; ++i) {
    absl::StrAppend(&tens, " ", i >= 10 ? absl::StrCat(i / 10) : " ");
    absl::StrAppend(&ones, " ", i % 10);
  }
  if (nodes > 10) absl::StrAppend(&map, tens, "\n");
  absl::StrAppend(&map, ones, "\n");
  for (int i = 0; i < nodes; ++i) {
    absl::StrAppend(&map, i < 10 ? " " : "", i);
    if (label > 0) {
      const std::string host = HostOf(report, i);
      absl::StrAppend(&map, " ", host,
                      std::string(label - terminal::Width(host), ' '));
    }
    for (int j = 0; j < nodes; ++j) {
      const auto found =
          pairs.find({static_cast<uint32_t>(i), static_cast<uint32_t>(j)});
      absl::StrAppend(
          &map, i == j ? "  "
                       : Cell(found == pairs.end() ? nullptr : found->second,
                              median, colour));
    }
    while (map.back() == ' ') map.pop_back();
    absl::StrAppend(&map, "\n");
  }
  return map;
}

}  // namespace muster::fabric
