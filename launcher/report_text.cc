#include "launcher/report_text.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "launcher/cause_text.h"
#include "launcher/duration.h"
#include "launcher/report_json.h"
#include "launcher/text.h"

namespace muster::launcher {
namespace {

constexpr int kTailLines = 20;
constexpr size_t kRankRanges = 6;
constexpr int kMissingRows = 8;
constexpr int kLeftOutRows = 8;

std::string Bytes(uint64_t bytes) {
  if (bytes < 1000) return absl::StrCat(bytes, " bytes");
  const char* const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  double size = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  for (; size >= 999.95; size /= 1000) ++unit;
  return absl::StrFormat("%.1f %s", size, units[unit]);
}

// "rank 4", "ranks 0-3,7": at most kRankRanges ranges.
template <typename Ranks>
std::string RankText(const Ranks& ranks) {
  if (ranks.empty()) return "";
  std::vector<std::string> ranges;
  for (auto first = ranks.begin(); first != ranks.end();) {
    auto last = first;
    while (last + 1 != ranks.end() && *(last + 1) == *last + 1) ++last;
    ranges.push_back(first == last ? absl::StrCat(*first)
                                   : absl::StrCat(*first, "-", *last));
    first = last + 1;
  }
  if (ranges.size() > kRankRanges) {
    ranges.resize(kRankRanges);
    ranges.push_back("...");
  }
  return absl::StrCat(ranks.size() == 1 ? "rank " : "ranks ",
                      absl::StrJoin(ranges, ","));
}

std::string Row(absl::string_view label, absl::string_view text) {
  return absl::StrFormat("  %-11s  %s\n", label, text);
}

// A message with its lines below each other.
std::string Message(const std::string& message) {
  std::string rows;
  absl::string_view label = "why";
  for (const absl::string_view line : absl::StrSplit(message, '\n')) {
    if (!line.empty()) absl::StrAppend(&rows, Row(label, Printable(line)));
    label = "";
  }
  return rows;
}

std::string StderrTail(const Cause& cause) {
  if (cause.stderr_tail().empty()) return "";
  const int size = cause.stderr_tail_size();
  const int first = std::max(0, size - kTailLines);
  std::string text =
      Row("stderr", first == 0 && size == 1
                        ? "its last line"
                        : absl::StrCat("its last ", size - first, " lines"));
  for (int i = first; i < size; ++i) {
    absl::StrAppend(&text, "    | ", Printable(cause.stderr_tail(i)), "\n");
  }
  return text;
}

// "2 more: ranks 0-1 stopped by muster".
std::string OtherText(const OtherCauses& others) {
  const std::string ranks = RankText(others.ranks());
  return absl::StrCat(
      others.count(), " more: ", ranks, ranks.empty() ? "" : " ",
      WhatHappenedToOthers(others.kind()), others.message().empty() ? "" : ": ",
      Printable(others.message()));
}

// At most two rows, however many causes there are.
std::string Others(const Report& report) {
  const auto& all = report.others();
  std::string rows;
  if (!all.empty()) absl::StrAppend(&rows, Row("then", OtherText(all[0])));
  if (all.size() == 2) absl::StrAppend(&rows, Row("then", OtherText(all[1])));
  if (all.size() <= 2) return rows;
  uint32_t count = 0;
  std::vector<std::string> kinds;
  for (int i = 1; i < all.size(); ++i) {
    count += all[i].count();
    const std::string ranks = RankText(all[i].ranks());
    kinds.push_back(
        absl::StrCat(CauseWord(all[i].kind()),
                     ranks.empty() ? "" : absl::StrCat(" (", ranks, ")")));
  }
  return absl::StrCat(
      rows,
      Row("then", absl::StrCat(count, " more: ", absl::StrJoin(kinds, ", "))));
}

// "missing  node 1 (host-1): 282 bytes of ...", a row for each node.
std::string Missing(const Report& report) {
  std::string rows;
  int left = report.missing_output_size();
  for (const MissingOutput& missing : report.missing_output()) {
    if (left + kMissingRows == report.missing_output_size()) {
      absl::StrAppend(
          &rows, Row("missing", absl::StrCat(Count(left, "more node"),
                                             ": their logs and the report say "
                                             "what")));
      break;
    }
    absl::StrAppend(
        &rows, Row("missing", absl::StrCat("node ", missing.node(), " (",
                                           Printable(missing.host()), "): ",
                                           Printable(missing.message()))));
    --left;
  }
  return rows;
}

// "left out  host-2 (10.0.0.3): why", a row for each node.
std::string LeftOut(const Report& report) {
  std::string rows;
  for (int i = 0; i < report.left_out_size(); ++i) {
    if (i == kLeftOutRows) {
      const std::string more = Count(report.left_out_size() - i, "more node");
      return absl::StrCat(
          rows, Row("left out", absl::StrCat(more, ": the report says why")));
    }
    const LeftOutNode& node = report.left_out(i);
    absl::StrAppend(
        &rows, Row("left out", absl::StrCat(Printable(node.host()), " (",
                                            Printable(node.address()),
                                            "): ", Printable(node.why()))));
  }
  return rows;
}

struct Phase {
  const char* name;
  double seconds;
};

std::vector<Phase> Phases(const Report& report) {
  const PhaseSeconds& phases = report.durations();
  return {{"join", phases.join()},   {"fabric", phases.fabric()},
          {"start", phases.start()}, {"run", phases.run()},
          {"stop", phases.stop()},   {"collect", phases.collect()}};
}

std::string Total(const Report& report) {
  double total = 0;
  for (const Phase& phase : Phases(report)) total += phase.seconds;
  return ShortDuration(absl::Seconds(total));
}

std::string Times(const Report& report) {
  std::vector<std::string> times;
  for (const Phase& phase : Phases(report)) {
    if (phase.seconds > 0) {
      times.push_back(absl::StrCat(
          phase.name, " ", ShortDuration(absl::Seconds(phase.seconds))));
    }
  }
  return times.empty() ? "" : Row("times", absl::StrJoin(times, ", "));
}

std::string Places(const Report& report, const ReportPaths& paths) {
  std::string rows;
  const auto add = [&rows](absl::string_view label, const std::string& path,
                           const std::string& size) {
    if (path.empty()) return;
    absl::StrAppend(&rows, Row(label, absl::StrCat(Printable(path), size)));
  };
  add("its stderr", paths.first_cause_stderr, "");
  add("logs", paths.logs, absl::StrCat(" (", Bytes(report.log_bytes()), ")"));
  add("outputs", paths.outputs,
      absl::StrCat(" (", Bytes(report.output_bytes()), ")"));
  add("report", paths.report, "");
  return rows;
}

std::string Title(const Report& report) {
  return report.run_id().empty()
             ? "job "
             : absl::StrCat("run ", Printable(report.run_id()), " ");
}

std::string ResultText(const Report& report, Colour colour) {
  const std::string word = absl::AsciiStrToUpper(ResultWord(report.result()));
  if (colour == Colour::kOff) return word;
  const bool good = report.result() == RESULT_SUCCEEDED;
  return absl::StrCat(good ? "\x1b[32m" : "\x1b[31m", word, "\x1b[0m");
}

std::string Size(const Report& report) {
  return absl::StrCat(Count(report.world_size(), "worker"), " on ",
                      Count(report.nodes(), "node"));
}

}  // namespace

std::string ReportBlock(const Report& report, const ReportPaths& paths,
                        Colour colour) {
  std::string block =
      absl::StrCat("muster: ", Title(report), ResultText(report, colour));
  if (report.world_size() > 0) {
    absl::StrAppend(&block, ": ", Size(report), " in ", Total(report));
  }
  absl::StrAppend(&block, "\n");
  if (report.has_first_cause()) {
    const Cause& cause = report.first_cause();
    absl::StrAppend(
        &block, Row("first cause", WhatHappened(report)),
        cause.kind() == CAUSE_OUTPUT ? "" : Message(cause.message()),
        StderrTail(cause), Others(report), Missing(report));
  }
  absl::StrAppend(&block, LeftOut(report));
  if (report.result() != RESULT_SUCCEEDED) {
    absl::StrAppend(&block, Times(report),
                    Row("exit code", absl::StrCat(report.exit_code(), ": ",
                                                  ExitCodeMeaning(report))));
  }
  return absl::StrCat(block, Places(report, paths));
}

std::string ReportLine(const Report& report) {
  const std::string line =
      absl::StrCat(Title(report), ResultWord(report.result()));
  if (report.result() == RESULT_SUCCEEDED) {
    return absl::StrCat(line, ": ", Size(report), " in ", Total(report));
  }
  // What a worker died of is on the other node; what stopped this one is here.
  const Cause& cause = report.first_cause();
  const std::string why =
      cause.has_rank() ? ""
                       : cause.message().substr(0, cause.message().find('\n'));
  return absl::StrCat(line, ": ", WhatHappened(report), why.empty() ? "" : ": ",
                      Printable(why), "; exit code ", report.exit_code());
}

}  // namespace muster::launcher
