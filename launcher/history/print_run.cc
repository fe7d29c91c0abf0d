#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "launcher/history/commands.h"
#include "launcher/history/figures.h"
#include "launcher/history/log_notes.h"
#include "launcher/history/run_facts.h"
#include "launcher/terminal/harmless.h"

namespace muster::history {
namespace {

using Json = nlohmann::ordered_json;
using terminal::Harmless;

struct LogGaps {
  std::string log;  // "logs/3.stdout"
  LogNotes notes;
};

absl::StatusOr<RunSummary> Summary(RunSource& source,
                                   const std::string& run_id) {
  ListRunsRequest request;
  request.set_prefix(run_id);
  const absl::StatusOr<std::vector<RunSummary>> runs = source.ListRuns(request);
  if (!runs.ok()) return runs.status();
  for (const RunSummary& run : *runs) {
    if (run.run_id() == run_id) return run;
  }
  return absl::NotFoundError(absl::StrCat("run ", run_id, " is gone"));
}

absl::StatusOr<std::vector<LogGaps>> ReadGaps(RunSource& source,
                                              const std::string& run_id) {
  ListFilesRequest list;
  list.set_run_id(run_id);
  list.set_prefix("logs/");
  const absl::StatusOr<std::vector<FileEntry>> files = source.ListFiles(list);
  if (!files.ok()) return files.status();
  std::vector<LogGaps> gaps;
  for (const FileEntry& file : *files) {
    if (!absl::EndsWith(file.path(), ".gaps")) continue;
    gaps.push_back({std::string(absl::StripSuffix(file.path(), ".gaps")), {}});
    ReadRequest read;
    read.set_run_id(run_id);
    read.set_path(file.path());
    absl::Status status = source.Read(read, [&](const ReadChunk& chunk) {
      gaps.back().notes.Add(chunk.data());
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
  }
  return gaps;
}

// More of it is not read: the single tests of every pair of very many nodes.
constexpr size_t kMostSelfTest = 64 << 20;
constexpr size_t kShownFindings = 3;

// None where there was no self-test.
absl::StatusOr<std::optional<SelfTestFacts>> ReadSelfTest(
    RunSource& source, const std::string& run_id) {
  ReadRequest read;
  read.set_run_id(run_id);
  read.set_path("fabric.json");
  std::string text;
  const absl::Status status = source.Read(read, [&](const ReadChunk& chunk) {
    if (text.size() < kMostSelfTest) absl::StrAppend(&text, chunk.data());
    return absl::OkStatus();
  });
  if (absl::IsNotFound(status)) return std::nullopt;
  if (!status.ok()) return status;
  return ToSelfTest(text);
}

// Job: the lines of one run, each with its name in front.
class Lines {
 public:
  void Add(absl::string_view name, absl::string_view text) {
    const std::string space(name.size() < 12 ? 12 - name.size() : 1, ' ');
    absl::StrAppend(&text_, name, space, Harmless(text), "\n");
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string CauseField(const Json& cause, const char* name) {
  const auto found = cause.find(name);
  if (found == cause.end()) return "";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

void AddCause(const Json& cause, Lines* lines) {
  if (!cause.is_object()) return;
  std::string text = CauseField(cause, "kind");
  for (const char* const name :
       {"exit_code", "signal", "service", "rank", "node", "host"}) {
    const std::string value = CauseField(cause, name);
    if (!value.empty()) {
      absl::StrAppend(&text, ", ",
                      absl::string_view(name) == "exit_code" ? "code" : name,
                      " ", value);
    }
  }
  lines->Add("first cause", text);
  const std::string message = CauseField(cause, "message");
  if (!message.empty()) lines->Add("", message);
}

void AddTimes(const RunFacts& run, absl::Time now, Lines* lines) {
  const absl::TimeZone zone = absl::LocalTimeZone();
  if (run.started) lines->Add("started", ShownTime(*run.started, zone));
  std::vector<std::string> phases;
  for (const auto& [name, seconds] : run.phases) {
    if (seconds > 0) {
      phases.push_back(
          absl::StrCat(name, " ", ShownDuration(absl::Seconds(seconds))));
    }
  }
  const auto took = run.Took(now);
  if (run.is_over() && took) {
    lines->Add("took",
               absl::StrCat(ShownDuration(*took), phases.empty() ? "" : ": ",
                            absl::StrJoin(phases, ", ")));
  } else if (took) {
    lines->Add("running for", ShownDuration(*took));
    lines->Add("last sign",
               absl::StrCat(ShownDuration(now - run.changed), " ago"));
  }
}

void AddNodes(const RunFacts& run, Lines* lines) {
  if (run.nodes.empty()) {
    lines->Add("nodes",
               run.wanted_nodes.empty()
                   ? "not known: its coordinator never said"
                   : absl::StrCat("not all here yet, of ", run.wanted_nodes));
    return;
  }
  lines->Add("nodes", absl::StrCat(run.nodes.size(), ", world size ",
                                   run.world_size.value_or(0)));
  for (const NodeFacts& node : run.nodes) {
    lines->Add(
        absl::StrCat("  node ", node.node),
        absl::StrCat(
            node.host, " (", node.address, "), ",
            node.ranks.size() == 1 ? "rank " : "ranks ", ShownRanks(node.ranks),
            node.gpus > 0 ? absl::StrCat(", ", node.gpus, " GPUs") : ""));
  }
}

void AddGaps(const std::vector<LogGaps>& gaps, Lines* lines) {
  for (const LogGaps& log : gaps) {
    if (log.notes.missing_bytes() > 0) {
      lines->Add("missing",
                 absl::StrCat(ShownBytes(log.notes.missing_bytes()), " in ",
                              log.notes.gaps(),
                              log.notes.gaps() == 1 ? " gap of " : " gaps of ",
                              log.log));
    }
    for (const LogNotes::Placed& placed : log.notes.notes()) {
      if (placed.note.missing_bytes() > 0) continue;
      lines->Add("end", absl::StrCat(log.log, ": ", NoteText(placed.note)));
    }
  }
}

void AddSelfTest(const std::optional<SelfTestFacts>& test, Lines* lines) {
  if (!test) return;
  lines->Add("self-test",
             absl::StrCat(test->verdict, ": ", test->kind, ", ", test->rounds,
                          test->rounds == 1 ? " round, " : " rounds, ",
                          ShownDuration(absl::Seconds(test->seconds)),
                          ", in fabric.json"));
  for (size_t i = 0; i < test->findings.size(); ++i) {
    if (i == kShownFindings) {
      lines->Add("", absl::StrCat("and ", test->findings.size() - i, " more"));
      break;
    }
    lines->Add("", test->findings[i]);
  }
}

void AddPlaces(const Surface& surface, const RunFacts& run, Lines* lines) {
  const auto place = [&](const char* path) {
    const std::string local = surface.source.PathOf(run.run_id, path);
    return local.empty() ? absl::StrCat(path, " at ", surface.source.Where())
                         : local;
  };
  lines->Add("logs",
             absl::StrCat(place("logs"), " (", ShownBytes(run.log_bytes), ")"));
  lines->Add("outputs", absl::StrCat(place("nodes"), " (",
                                     ShownBytes(run.output_bytes), ")"));
  if (run.exit_code) lines->Add("report", place("report.json"));
}

std::string AsText(const Surface& surface, const RunFacts& run,
                   const std::optional<SelfTestFacts>& test,
                   const std::vector<LogGaps>& gaps) {
  Lines lines;
  lines.Add("run", run.run_id);
  if (!run.job_id.empty()) lines.Add("job", run.job_id);
  lines.Add("state",
            absl::StrCat(run.state, run.exit_code ? absl::StrCat(", exit code ",
                                                                 *run.exit_code)
                                                  : ""));
  if (!run.command.empty()) {
    lines.Add("command", absl::StrJoin(run.command, " "));
  }
  AddTimes(run, absl::Now(), &lines);
  AddNodes(run, &lines);
  AddSelfTest(test, &lines);
  for (const std::string& node : run.left_out) lines.Add("left out", node);
  AddCause(run.first_cause, &lines);
  for (const std::string& missing : run.missing_output) {
    lines.Add("missing", missing);
  }
  AddGaps(gaps, &lines);
  AddPlaces(surface, run, &lines);
  return lines.Take();
}

Json Parsed(const std::string& text) {
  Json json = Json::parse(text, nullptr, false);
  return json.is_discarded() ? Json() : json;
}

std::string AsJson(const RunSummary& summary, const RunFacts& run,
                   const std::optional<SelfTestFacts>& test,
                   const std::vector<LogGaps>& gaps) {
  Json missing = Json::array();
  for (const LogGaps& log : gaps) {
    missing.push_back({{"log", log.log},
                       {"gaps", log.notes.gaps()},
                       {"missing_bytes", log.notes.missing_bytes()}});
  }
  Json json = {
      {"run_id", run.run_id},
      {"state", run.state},
      {"run", Parsed(summary.run_json())},
      {"report", Parsed(summary.report_json())},
      {"gaps", std::move(missing)},
      {"bytes", {{"logs", run.log_bytes}, {"outputs", run.output_bytes}}}};
  if (test) json["fabric"] = test->json;
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

absl::StatusOr<int> PrintRun(const Surface& surface, const std::string& run_id,
                             bool json) {
  const absl::StatusOr<RunSummary> summary = Summary(surface.source, run_id);
  if (!summary.ok()) return summary.status();
  const absl::StatusOr<std::vector<LogGaps>> gaps =
      ReadGaps(surface.source, run_id);
  if (!gaps.ok()) return gaps.status();
  const absl::StatusOr<std::optional<SelfTestFacts>> test =
      ReadSelfTest(surface.source, run_id);
  if (!test.ok()) return test.status();
  const RunFacts run = ToFacts(*summary);
  const absl::Status written =
      surface.out.Write(json ? AsJson(*summary, run, *test, *gaps)
                             : AsText(surface, run, *test, *gaps));
  if (!written.ok()) return written;
  return 0;
}

}  // namespace muster::history
