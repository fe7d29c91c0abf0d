#include "launcher/history/run_facts.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "launcher/terminal/harmless.h"

namespace muster::history {
namespace {

using Json = nlohmann::ordered_json;
using terminal::Harmless;

constexpr size_t kShownIds = 5;

const Json& Field(const Json& object, const char* name) {
  static const Json* const null = new Json;
  if (!object.is_object()) return *null;
  const auto found = object.find(name);
  return found == object.end() ? *null : *found;
}

std::string Text(const Json& object, const char* name) {
  const Json& field = Field(object, name);
  return field.is_string() ? field.get<std::string>() : "";
}

std::optional<uint64_t> Number(const Json& object, const char* name) {
  const Json& field = Field(object, name);
  if (!field.is_number_unsigned()) return std::nullopt;
  return field.get<uint64_t>();
}

NodeFacts ToNode(const Json& json) {
  NodeFacts node;
  node.node = Number(json, "node").value_or(0);
  node.host = Text(json, "host");
  node.address = Text(json, "address");
  node.gpus = Number(json, "gpus").value_or(0);
  for (const Json& rank : Field(json, "ranks")) {
    if (rank.is_number_unsigned()) node.ranks.push_back(rank.get<uint64_t>());
  }
  return node;
}

void ReadRun(const Json& run, RunFacts* facts) {
  facts->job_id = Text(run, "job_id");
  for (const Json& word : Field(run, "command")) {
    if (word.is_string()) facts->command.push_back(word.get<std::string>());
  }
  absl::Time started;
  if (absl::ParseTime(absl::RFC3339_full, Text(run, "started_at"), &started,
                      nullptr)) {
    facts->started = started;
  }
  for (const Json& node : Field(run, "nodes")) {
    facts->nodes.push_back(ToNode(node));
  }
  facts->world_size = Number(run, "world_size");
  const std::pair<std::string, std::string> range =
      absl::StrSplit(Text(run, "nnodes"), absl::MaxSplits(':', 1));
  facts->wanted_nodes = range.first == range.second || range.second.empty()
                            ? range.first
                            : absl::StrCat(range.first, ":", range.second);
}

void ReadReport(const Json& report, RunFacts* facts) {
  if (!report.is_object()) return;
  facts->state = Text(report, "result");
  if (facts->state.empty()) facts->state = "unknown";
  const Json& code = Field(report, "exit_code");
  if (code.is_number_integer()) facts->exit_code = code.get<int64_t>();
  for (const auto& phase : Field(report, "durations").items()) {
    if (phase.value().is_number()) {
      facts->phases.emplace_back(phase.key(), phase.value().get<double>());
    }
  }
  facts->first_cause = Field(report, "first_cause");
  for (const Json& missing : Field(report, "missing_output")) {
    facts->missing_output.push_back(
        absl::StrCat("node ", Number(missing, "node").value_or(0), " (",
                     Text(missing, "host"), "): ", Text(missing, "message")));
  }
  for (const Json& node : Field(report, "left_out")) {
    facts->left_out.push_back(absl::StrCat(Text(node, "host"), " (",
                                           Text(node, "address"),
                                           "): ", Text(node, "why")));
  }
}

std::string SomeIds(const std::vector<const RunFacts*>& runs) {
  std::vector<std::string> ids;
  for (const RunFacts* run : runs) {
    if (ids.size() == kShownIds) {
      ids.push_back(absl::StrCat("and ", runs.size() - kShownIds, " more"));
      break;
    }
    ids.push_back(Harmless(run->run_id));
  }
  return absl::StrJoin(ids, ", ");
}

// How much alike: the letters that both begin with; all of them where one is
// part of the other.
size_t Likeness(absl::string_view word, absl::string_view id) {
  if (absl::StrContains(id, word)) return word.size();
  return std::mismatch(word.begin(), word.end(), id.begin(), id.end()).first -
         word.begin();
}

}  // namespace

std::optional<absl::Duration> RunFacts::Took(absl::Time now) const {
  if (!is_over()) {
    if (!started) return std::nullopt;
    return std::max(now - *started, absl::ZeroDuration());
  }
  if (phases.empty()) return std::nullopt;
  absl::Duration sum;
  for (const auto& [name, seconds] : phases) sum += absl::Seconds(seconds);
  return sum;
}

RunFacts ToFacts(const RunSummary& summary) {
  RunFacts facts;
  facts.run_id = summary.run_id();
  facts.state = summary.run_json().empty() ? "no record" : "running";
  facts.log_bytes = summary.log_bytes();
  facts.output_bytes = summary.output_bytes();
  facts.changed = absl::FromUnixMillis(summary.changed_unix_ms());
  ReadRun(Json::parse(summary.run_json(), nullptr, false), &facts);
  ReadReport(Json::parse(summary.report_json(), nullptr, false), &facts);
  return facts;
}

std::optional<SelfTestFacts> ToSelfTest(const std::string& fabric_json) {
  constexpr int kTop = 1;
  const auto keep = [](int depth, Json::parse_event_t event, Json& parsed) {
    return depth != kTop || event != Json::parse_event_t::key ||
           (parsed != "nodes" && parsed != "tests");
  };
  SelfTestFacts facts;
  facts.json = Json::parse(fabric_json, keep, false);
  facts.verdict = Text(facts.json, "verdict");
  if (facts.verdict.empty()) return std::nullopt;
  facts.kind = Text(facts.json, "kind");
  facts.rounds = Number(facts.json, "rounds").value_or(0);
  const Json& seconds = Field(facts.json, "seconds");
  if (seconds.is_number()) facts.seconds = seconds.get<double>();
  for (const Json& finding : Field(facts.json, "findings")) {
    facts.findings.push_back(Text(finding, "message"));
  }
  return facts;
}

void SortByStart(std::vector<RunFacts>* runs) {
  std::stable_sort(runs->begin(), runs->end(),
                   [](const RunFacts& a, const RunFacts& b) {
                     return a.started.value_or(absl::InfinitePast()) >
                            b.started.value_or(absl::InfinitePast());
                   });
}

absl::StatusOr<std::string> ChooseRun(absl::string_view word,
                                      const std::vector<RunFacts>& runs) {
  if (runs.empty()) return absl::NotFoundError("there are no runs");
  std::vector<const RunFacts*> begun;
  for (const RunFacts& run : runs) {
    if (run.run_id == word) return run.run_id;
    if (absl::StartsWith(run.run_id, word)) begun.push_back(&run);
  }
  if (word == "latest") return runs.front().run_id;
  if (begun.size() == 1 && !word.empty()) return begun.front()->run_id;
  if (begun.size() > 1 && !word.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(Harmless(word), ": ", begun.size(),
                     " runs begin like that: ", SomeIds(begun)));
  }
  std::vector<const RunFacts*> like;
  for (const RunFacts& run : runs) like.push_back(&run);
  std::stable_sort(
      like.begin(), like.end(), [word](const RunFacts* a, const RunFacts* b) {
        return Likeness(word, a->run_id) > Likeness(word, b->run_id);
      });
  return absl::NotFoundError(absl::StrCat(
      Harmless(word), ": no such run; the nearest are ", SomeIds(like)));
}

}  // namespace muster::history
