#include "launcher/report_text.h"

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "launcher/duration.h"
#include "launcher/exit_codes.h"
#include "launcher/report_json.h"
#include "launcher/text.h"

namespace muster::launcher {
namespace {

constexpr int kTailLines = 20;
constexpr size_t kRankRanges = 6;
constexpr char kMaybeMemory[] = ", possibly the out-of-memory killer";

std::string Bytes(uint64_t bytes) {
  if (bytes < 1000) return absl::StrCat(bytes, " bytes");
  const char* const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  double size = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  for (; size >= 999.95; size /= 1000) ++unit;
  return absl::StrFormat("%.1f %s", size, units[unit]);
}

// "signal 9 (SIGKILL)".
std::string SignalText(uint32_t signal) {
  const char* name = sigabbrev_np(static_cast<int>(signal));
  return absl::StrCat("signal ", signal,
                      name == nullptr ? "" : absl::StrCat(" (SIG", name, ")"));
}

// "rank 3 (worker 2, local rank 1, pid 4242) on node 1 (host-1)", as far as
// known.
std::string Who(const Cause& cause) {
  std::vector<std::string> words;
  if (cause.has_rank()) {
    std::vector<std::string> more;
    if (!cause.task_type().empty()) {
      more.push_back(
          absl::StrCat(Printable(cause.task_type()), " ", cause.task_index()));
    }
    if (cause.has_local_rank()) {
      more.push_back(absl::StrCat("local rank ", cause.local_rank()));
    }
    if (cause.has_pid()) more.push_back(absl::StrCat("pid ", cause.pid()));
    words.push_back(absl::StrCat("rank ", cause.rank()));
    if (!more.empty()) {
      words.push_back(absl::StrCat("(", absl::StrJoin(more, ", "), ")"));
    }
    if (cause.has_node() || !cause.host().empty()) words.push_back("on");
  } else if (!cause.service().empty()) {
    words.push_back(cause.service());
    if (cause.has_pid()) {
      words.push_back(absl::StrCat("(pid ", cause.pid(), ")"));
    }
    words.push_back("on");
  }
  const std::string host = Printable(cause.host());
  if (cause.has_node()) {
    words.push_back(absl::StrCat("node ", cause.node()));
    if (!host.empty()) words.push_back(absl::StrCat("(", host, ")"));
  } else if (!host.empty()) {
    words.push_back(host);
  }
  return absl::StrJoin(words, " ");
}

// One sentence without its full stop.
std::string WhatHappened(const Report& report) {
  const Cause& cause = report.first_cause();
  const std::string known = Who(cause);
  const auto who = [&known](absl::string_view otherwise) {
    return known.empty() ? std::string(otherwise) : known;
  };
  switch (cause.kind()) {
    case CAUSE_EXIT:
      // A shell gives 137 when its child was killed.
      return absl::StrCat(
          who("a worker"), " exited with code ", cause.exit_code(),
          cause.exit_code() == kSignalBase + SIGKILL ? kMaybeMemory : "");
    case CAUSE_SIGNAL:
      return absl::StrCat(who("a worker"), " died of ",
                          SignalText(cause.signal()),
                          cause.signal() == SIGKILL ? kMaybeMemory : "");
    case CAUSE_OOM:
      return absl::StrCat(who("a worker"),
                          " was killed by the kernel: out of memory");
    case CAUSE_SPAWN:
      return absl::StrCat(who("a worker"), " could not be started");
    case CAUSE_NODE_LOST:
      return absl::StrCat(who("a node"), " was lost");
    case CAUSE_FABRIC:
      return absl::StrCat(who("the network"), " failed the self-test");
    case CAUSE_RENDEZVOUS:
      return absl::StrCat("the rendezvous failed", known.empty() ? "" : " at ",
                          known);
    case CAUSE_AUTH:
      return absl::StrCat("the token of ", who("this node"),
                          " is wrong or missing");
    case CAUSE_CONFIG:
      return report.result() == RESULT_REFUSED
                 ? absl::StrCat("the settings of ", who("this node"), " differ")
                 : absl::StrCat(who("this node"), " can't take part");
    case CAUSE_CANCELLED:
      return absl::StrCat(
          cause.has_signal() ? SignalText(cause.signal()) : "a request",
          known.empty() ? "" : " to ", known, " ended the job");
    default:
      return absl::StrCat(who("muster"), " failed: a fault of muster's own");
  }
}

// The meaning depends on whose code it is: a worker may end with 77 too.
absl::string_view ExitCodeMeaning(const Report& report) {
  if (report.result() == RESULT_SUCCEEDED) return "every worker ended with 0";
  switch (report.first_cause().kind()) {
    case CAUSE_EXIT:
      return report.first_cause().service().empty()
                 ? "the first failing worker's own code"
                 : "the code of what starts the workers";
    case CAUSE_SIGNAL:
    case CAUSE_OOM:
      return report.first_cause().service().empty()
                 ? "128 + the signal that killed the first worker"
                 : "128 + the signal that killed what starts the workers";
    case CAUSE_SPAWN:
      return report.exit_code() == kNotFound ? "the command is not found"
                                             : "the command cannot be executed";
    case CAUSE_NODE_LOST:
      return "a node was lost: try again elsewhere";
    case CAUSE_FABRIC:
      return "the self-test failed";
    case CAUSE_RENDEZVOUS:
      return "the nodes did not all meet or reach each other";
    case CAUSE_AUTH:
      return "refused: wrong or missing token";
    case CAUSE_CONFIG:
      if (report.result() == RESULT_REFUSED) {
        return "refused: the agents' settings differ";
      }
      if (report.exit_code() == kConfig) {
        return "a node's settings or its Open MPI do not fit the job";
      }
      return report.exit_code() == kUsage
                 ? "usage: a flag asks for what is not there"
                 : "a fault of muster's own";
    case CAUSE_CANCELLED:
      return "128 + the signal that ended the job";
    default:
      return "a fault of muster's own";
  }
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

absl::string_view WhatHappenedToOthers(CauseKind kind) {
  switch (kind) {
    case CAUSE_EXIT:
      return "exited with a code other than 0";
    case CAUSE_SIGNAL:
      return "died of a signal";
    case CAUSE_OOM:
      return "killed by the kernel: out of memory";
    case CAUSE_SPAWN:
      return "could not be started";
    case CAUSE_NODE_LOST:
      return "lost";
    case CAUSE_CANCELLED:
      return "stopped by muster";
    default:
      return CauseWord(kind);
  }
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
    absl::StrAppend(&block, Row("first cause", WhatHappened(report)),
                    Message(cause.message()), StderrTail(cause),
                    Others(report));
  }
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
