#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "launcher/history/commands.h"
#include "launcher/history/figures.h"
#include "launcher/history/run_facts.h"
#include "launcher/terminal/columns.h"
#include "launcher/terminal/harmless.h"

namespace muster::history {
namespace {

using Json = nlohmann::ordered_json;
using terminal::Harmless;
using terminal::Table;

absl::StatusOr<std::vector<RunFacts>> AllRuns(RunSource& source, bool brief) {
  ListRunsRequest request;
  request.set_brief(brief);
  const absl::StatusOr<std::vector<RunSummary>> found =
      source.ListRuns(request);
  if (!found.ok()) return found.status();
  std::vector<RunFacts> runs;
  for (const RunSummary& run : *found) runs.push_back(ToFacts(run));
  SortByStart(&runs);
  return runs;
}

Json ToJson(const RunFacts& run, absl::Time now) {
  Json json = {{"run_id", run.run_id}, {"state", run.state}};
  if (run.exit_code) json["exit_code"] = *run.exit_code;
  if (run.started) {
    json["started_at"] = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", *run.started,
                                          absl::UTCTimeZone());
  }
  if (const auto took = run.Took(now)) {
    json["seconds"] = absl::ToDoubleSeconds(*took);
  }
  json["nodes"] = run.nodes.size();
  if (run.world_size) json["world_size"] = *run.world_size;
  json["bytes"] = {{"logs", run.log_bytes}, {"outputs", run.output_bytes}};
  return json;
}

std::string State(const RunFacts& run) {
  const bool has_code = run.exit_code.value_or(0) != 0;
  return Harmless(absl::StrCat(
      run.state, has_code ? absl::StrCat(" (", *run.exit_code, ")") : ""));
}

std::vector<std::string> Row(const RunFacts& run, absl::Time now) {
  const auto took = run.Took(now);
  return {Harmless(run.run_id),
          run.started ? ShownTime(*run.started, absl::LocalTimeZone()) : "-",
          State(run),
          run.nodes.empty() ? "-" : absl::StrCat(run.nodes.size()),
          run.world_size ? absl::StrCat(*run.world_size) : "-",
          took ? ShownDuration(*took) : "-",
          ShownBytes(run.log_bytes),
          ShownBytes(run.output_bytes)};
}

}  // namespace

absl::StatusOr<std::string> FindRun(RunSource& source, absl::string_view word) {
  const absl::StatusOr<std::vector<RunFacts>> runs = AllRuns(source, true);
  if (!runs.ok()) return runs.status();
  absl::StatusOr<std::string> chosen = ChooseRun(word, *runs);
  if (chosen.ok()) return chosen;
  return absl::Status(
      chosen.status().code(),
      absl::StrCat(chosen.status().message(), " (in ", source.Where(), ")"));
}

absl::StatusOr<int> PrintRuns(const Surface& surface, bool json) {
  const absl::StatusOr<std::vector<RunFacts>> runs =
      AllRuns(surface.source, false);
  if (!runs.ok()) return runs.status();
  const absl::Time now = absl::Now();
  std::string text;
  if (json) {
    Json all = Json::array();
    for (const RunFacts& run : *runs) all.push_back(ToJson(run, now));
    text = all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  } else if (runs->empty()) {
    surface.tell(absl::StrCat("no runs in ", surface.source.Where()));
  } else {
    std::vector<std::vector<std::string>> rows;
    for (const RunFacts& run : *runs) rows.push_back(Row(run, now));
    text = Table({{"RUN"},
                  {"STARTED"},
                  {"STATE"},
                  {"NODES", true},
                  {"WORLD", true},
                  {"TOOK", true},
                  {"LOGS", true},
                  {"OUTPUTS", true}},
                 rows);
  }
  if (absl::Status status = surface.out.Write(text); !status.ok()) {
    return status;
  }
  return 0;
}

}  // namespace muster::history
