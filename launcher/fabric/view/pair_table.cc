#include "launcher/fabric/view/pair_table.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "launcher/fabric/view/figures.h"
#include "launcher/fabric/view/paint.h"
#include "launcher/fabric/view/report_facts.h"
#include "launcher/fabric/view/words.h"
#include "launcher/terminal/columns.h"

namespace muster::fabric {
namespace {

using Cells = std::vector<std::string>;
using Tests = std::vector<const FabricTest*>;

constexpr size_t kMostRows = 16;
constexpr size_t kMostBad = 20;
constexpr size_t kSlowest = 5;
constexpr size_t kMostRounds = 12;
constexpr size_t kMostLimits = 8;

bool Passed(const FabricTest* test) {
  return test->verdict() == FABRIC_VERDICT_PASS;
}

// "pass", "warn: slow", "fail: timeout".
std::string Verdict(const FabricTest& test, bool colour) {
  std::string text(VerdictWord(test.verdict()));
  if (test.has_failure()) {
    absl::StrAppend(
        &text, ": ",
        absl::StrReplaceAll(FailureWord(test.failure().kind()), {{"_", " "}}));
  } else if (!Passed(&test)) {
    absl::StrAppend(&text, ": slow");
  }
  return Paint(text, test.verdict(), colour);
}

Cells Row(const FabricReport& report, const FabricTest& test, bool colour) {
  return {absl::StrCat(test.round()), MembersText(report, test),
          SizeText(test.bytes()),     FigureText(test.seconds() * 1000),
          FigureText(test.algbw()),   FigureText(test.busbw()),
          FigureText(test.limit()),   Verdict(test, colour)};
}

Cells MedianRow(const Tests& tests) {
  std::vector<double> seconds;
  std::vector<double> algbw;
  std::vector<double> busbw;
  for (const FabricTest* test : tests) {
    if (test->has_failure()) continue;
    seconds.push_back(test->seconds());
    algbw.push_back(test->algbw());
    busbw.push_back(test->busbw());
  }
  return {"-",
          absl::StrCat("median of ", busbw.size()),
          "-",
          FigureText(Median(seconds) * 1000),
          FigureText(Median(algbw)),
          FigureText(Median(busbw)),
          "-",
          "-"};
}

// "and 244 pairs more, all pass".
std::string Rest(const Tests& rest) {
  if (rest.empty()) return "";
  const auto bad = rest.size() - static_cast<size_t>(std::count_if(
                                     rest.begin(), rest.end(), Passed));
  return absl::StrCat(
      "and ", CountText(rest.size(), "pair"), " more, ",
      bad == 0 ? "all pass" : absl::StrCat(bad, " of them do not pass"), "\n");
}

}  // namespace

std::string RoundTable(const FabricReport& report) {
  struct Round {
    const FabricTest* first = nullptr;
    size_t tests = 0;
    size_t failed = 0;
    size_t slow = 0;
  };
  std::map<uint32_t, Round> rounds;
  for (const FabricTest& test : report.tests()) {
    Round& round = rounds[test.round()];
    if (!round.first) round.first = &test;
    ++round.tests;
    round.failed += test.has_failure();
    round.slow += !test.has_failure() && !Passed(&test);
  }
  if (rounds.empty()) return "";
  std::vector<Cells> rows;
  for (const auto& [number, round] : rounds) {
    if (rows.size() == kMostRounds) break;
    rows.push_back({absl::StrCat(number),
                    std::string(PhaseWord(round.first->phase())),
                    absl::StrCat(round.tests), absl::StrCat(round.failed),
                    absl::StrCat(round.slow), round.first->what()});
  }
  std::string table = terminal::Table({{"ROUND", true},
                                       {"PHASE"},
                                       {"TESTS", true},
                                       {"FAILED", true},
                                       {"SLOW", true},
                                       {"WHAT"}},
                                      rows);
  const size_t more = rounds.size() - rows.size();
  if (more > 0) {
    absl::StrAppend(&table, "and ", CountText(more, "round"), " more\n");
  }
  return table;
}

std::string PairTable(const FabricReport& report, bool colour) {
  const Tests nodes = NodePairs(report);
  Tests pairs = GpuPairs(report);
  Tests rest;
  const Tests& for_median = nodes.empty() ? pairs : nodes;
  std::vector<Cells> last;
  pairs.insert(pairs.end(), nodes.begin(), nodes.end());
  if (pairs.size() > kMostRows) {
    last.push_back(MedianRow(for_median));
    std::stable_sort(pairs.begin(), pairs.end(),
                     [](const FabricTest* a, const FabricTest* b) {
                       return IsWorse(*a, *b);
                     });
    const auto bad = pairs.size() - static_cast<size_t>(std::count_if(
                                        pairs.begin(), pairs.end(), Passed));
    const size_t shown =
        std::min(pairs.size(), std::min(bad, kMostBad) + kSlowest);
    rest.assign(pairs.begin() + static_cast<std::ptrdiff_t>(shown),
                pairs.end());
    pairs.resize(shown);
  }
  std::vector<Cells> rows;
  for (const FabricTest* test : pairs) {
    rows.push_back(Row(report, *test, colour));
  }
  rows.insert(rows.end(), last.begin(), last.end());
  for (const FabricTest* test : Worlds(report)) {
    rows.push_back(Row(report, *test, colour));
  }
  if (rows.empty()) return "";
  return absl::StrCat(terminal::Table({{"ROUND", true},
                                       {"TOGETHER"},
                                       {"SIZE", true},
                                       {"TIME ms", true},
                                       {"ALGBW GB/s", true},
                                       {"BUSBW GB/s", true},
                                       {"LIMIT GB/s", true},
                                       {"VERDICT"}},
                                      rows),
                      Rest(rest));
}

std::string LimitLines(const FabricReport& report, size_t columns) {
  std::vector<std::string> limits;
  for (const FabricTest& test : report.tests()) {
    if (test.limit_from().empty()) continue;
    const absl::string_view phase = PhaseWord(test.phase());
    std::string limit = Wrap(
        test.limit() > 0 ? absl::StrCat(phase, " limit ",
                                        FigureText(test.limit()), " GB/s: ")
                         : absl::StrCat("no ", phase, " limit: "),
        test.limit_from(), columns);
    if (std::find(limits.begin(), limits.end(), limit) == limits.end()) {
      limits.push_back(std::move(limit));
    }
  }
  const size_t more = limits.size() - std::min(limits.size(), kMostLimits);
  limits.resize(limits.size() - more);
  if (more > 0) {
    limits.push_back(absl::StrCat("and ", CountText(more, "limit"), " more\n"));
  }
  return absl::StrJoin(limits, "");
}

}  // namespace muster::fabric
