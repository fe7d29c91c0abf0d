#include <algorithm>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "launcher/history/commands.h"
#include "launcher/history/log_names.h"
#include "launcher/history/log_notes.h"
#include "launcher/history/log_view.h"

namespace muster::history {
namespace {

// More than this is written at once, not when there is nothing else to do.
constexpr size_t kMuch = 256 * 1024;

LogsRequest ToRequest(const std::string& run_id, const LogsChoice& choice) {
  LogsRequest request;
  request.set_run_id(run_id);
  request.mutable_ranks()->Add(choice.ranks.begin(), choice.ranks.end());
  request.mutable_nodes()->Add(choice.nodes.begin(), choice.nodes.end());
  if (choice.agents) {
    request.add_kinds(STREAM_AGENT);
  } else {
    if (!choice.stderr_only) request.add_kinds(STREAM_STDOUT);
    if (!choice.stdout_only) request.add_kinds(STREAM_STDERR);
  }
  request.set_follow(choice.follow);
  if (choice.tail_lines) request.set_tail_lines(*choice.tail_lines);
  return request;
}

// Whether there is no doubt whose lines these are.
bool IsOneSpeaker(const LogsChoice& choice) {
  return choice.agents ? choice.nodes.size() == 1 : choice.ranks.size() == 1;
}

// Job: one look at the logs of a run. Life cycle: construct, Run once.
// Threads: one.
class LogPrinter {
 public:
  LogPrinter(const Surface& surface, const LogsChoice& choice)
      : surface_(surface),
        is_exact_(IsExact(choice)),
        view_({.speakers = !IsOneSpeaker(choice),
               .harmless = !choice.raw,
               .one_by_one = !choice.follow}) {}

  absl::Status Run(LogFeed& feed) {
    while (true) {
      LogPiece piece;
      const absl::StatusOr<Step> step = feed.Next(&piece);
      if (!step.ok()) return step.status();
      const absl::Time now = absl::Now();
      if (*step == Step::kReply) Take(piece, now);
      if (view_.NextIdle() <= now) view_.Idle(now, &text_);
      if (*step == Step::kOver) view_.End(&text_);
      if (*step != Step::kReply || text_.size() >= kMuch) {
        if (absl::Status status = Flush(); !status.ok()) return status;
      }
      if (*step == Step::kOver) return absl::OkStatus();
      if (*step == Step::kReply) continue;
      absl::Status waited = surface_.out.WaitFor(
          feed.fd(), std::min(view_.NextIdle(), feed.next_look()));
      if (!waited.ok()) return waited;
    }
  }

  const std::set<LogKey>& seen() const { return seen_; }

 private:
  // Bytes go out as they are, without lines: where there is one log, or one
  // after the other.
  static bool IsExact(const LogsChoice& choice) {
    const bool one_log =
        choice.agents || choice.stdout_only || choice.stderr_only;
    return choice.raw && IsOneSpeaker(choice) && (one_log || !choice.follow);
  }

  void Take(const LogPiece& piece, absl::Time now) {
    seen_.insert(ToKey(piece.log()));
    if (!is_exact_) return view_.Add(piece, now, &text_);
    if (piece.has_note()) {
      surface_.tell(absl::StrCat(ShortName(ToKey(piece.log())), ", offset ",
                                 piece.offset(), ": ", NoteText(piece.note())));
    }
    text_.append(piece.data());
  }

  absl::Status Flush() {
    absl::Status written = surface_.out.Write(text_);
    text_.clear();
    return written;
  }

  const Surface& surface_;
  const bool is_exact_;
  LogView view_;
  std::string text_;
  std::set<LogKey> seen_;
};

// What was asked for by number and has no log.
std::string Missing(const LogsChoice& choice, const std::set<LogKey>& seen) {
  std::set<uint32_t> numbers;
  for (const LogKey& log : seen) numbers.insert(log.number);
  const std::vector<uint32_t>& asked =
      choice.agents ? choice.nodes : choice.ranks;
  std::vector<uint32_t> missing;
  for (const uint32_t number : asked) {
    if (numbers.count(number) == 0) missing.push_back(number);
  }
  if (missing.empty() && (!choice.nodes.empty() && seen.empty())) {
    return absl::StrCat("node ", absl::StrJoin(choice.nodes, ", "));
  }
  if (missing.empty()) return "";
  return absl::StrCat(choice.agents ? "node " : "rank ",
                      absl::StrJoin(missing, ", "));
}

// Of a run that is over, following is nothing but reading.
absl::StatusOr<bool> IsOver(RunSource& source, const std::string& run_id) {
  ListRunsRequest request;
  request.set_prefix(run_id);
  request.set_brief(true);
  const absl::StatusOr<std::vector<RunSummary>> runs = source.ListRuns(request);
  if (!runs.ok()) return runs.status();
  return std::any_of(runs->begin(), runs->end(), [&](const RunSummary& run) {
    return run.run_id() == run_id && !run.report_json().empty();
  });
}

}  // namespace

absl::StatusOr<int> PrintLogs(const Surface& surface, const std::string& run_id,
                              LogsChoice choice) {
  if (choice.follow) {
    const absl::StatusOr<bool> over = IsOver(surface.source, run_id);
    if (!over.ok()) return over.status();
    choice.follow = !*over;
  }
  const auto feed = surface.source.Logs(ToRequest(run_id, choice));
  if (!feed.ok()) return feed.status();
  LogPrinter printer(surface, choice);
  const absl::Status printed = printer.Run(**feed);
  if (!printed.ok()) return printed;
  const std::string missing = Missing(choice, printer.seen());
  if (!missing.empty()) {
    surface.tell(absl::StrCat("run ", run_id, " has no log of ", missing,
                              "; `muster show ", run_id,
                              "` tells who is in it"));
    return 1;
  }
  if (printer.seen().empty()) {
    surface.tell(absl::StrCat("run ", run_id, " has no logs: its workers ",
                              "were never started"));
  }
  return 0;
}

}  // namespace muster::history
