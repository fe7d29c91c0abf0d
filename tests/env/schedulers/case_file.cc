#include "tests/env/schedulers/case_file.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace muster::test {
namespace {

std::string Shown(const std::string& value) { return value; }
std::string Shown(uint32_t value) { return absl::StrCat(value); }
std::string Shown(const env::NodeCount& value) { return CountText(value); }
std::string Shown(const std::vector<std::string>& value) {
  return absl::StrJoin(value, " ");
}

template <typename T>
void Add(const char* name, const std::optional<env::Fact<T>>& fact,
         std::string* text) {
  if (!fact) return;
  absl::StrAppend(text, name, ": ", Shown(fact->value), "  <-  ",
                  env::EvidenceText(fact->evidence), "\n");
}

}  // namespace

absl::StatusOr<std::string> FakeFiles::Read(const std::string& path) const {
  if (path == forbidden) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, ": cannot be read: Permission denied"));
  }
  const auto found = texts.find(path);
  if (found == texts.end()) {
    return absl::NotFoundError(absl::StrCat(path, ": there is no such file"));
  }
  return found->second;
}

std::vector<std::string> FakeFiles::List(const std::string& directory) const {
  std::vector<std::string> names;
  for (const auto& [path, text] : texts) {
    absl::string_view name = path;
    if (absl::ConsumePrefix(&name, absl::StrCat(directory, "/")) &&
        !absl::StrContains(name, "/")) {
      names.emplace_back(name);
    }
  }
  return names;
}

Case ParseCase(absl::string_view text) {
  Case result;
  std::string file;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::ConsumePrefix(&line, "#")) continue;
    if (absl::ConsumePrefix(&line, "|")) {
      absl::StrAppend(&result.files.texts[file], line, "\n");
    } else if (absl::ConsumePrefix(&line, "@name ")) {
      result.node.names.emplace_back(line);
    } else if (absl::ConsumePrefix(&line, "@address ")) {
      result.node.addresses.emplace_back(line);
    } else if (absl::ConsumePrefix(&line, "@scheduler ")) {
      result.scheduler = std::string(line);
    } else if (absl::ConsumePrefix(&line, "@env-level ")) {
      result.level =
          line == "node" ? env::EnvLevel::kNode : env::EnvLevel::kProcess;
    } else if (absl::ConsumePrefix(&line, "@file ")) {
      file = std::string(line);
      result.files.texts[file];
    } else if (const size_t equals = line.find('=');
               equals != absl::string_view::npos && equals > 0) {
      result.variables.emplace(line.substr(0, equals), line.substr(equals + 1));
    }
  }
  return result;
}

std::string Describe(const env::MaybeDiscovery& found) {
  if (!found.ok()) {
    return absl::StrCat("error ",
                        absl::StatusCodeToString(found.status().code()), ": ",
                        found.status().message(), "\n");
  }
  if (!found->has_value()) return "nothing\n";
  const env::Discovery& one = **found;
  std::string text =
      absl::StrCat("scheduler: ", one.scheduler, " (", one.title, ")\n");
  Add("nodes", one.nodes, &text);
  Add("node rank", one.node_rank, &text);
  Add("rendezvous host", one.rendezvous_host, &text);
  Add("rendezvous port", one.rendezvous_port, &text);
  Add("hosts", one.hosts, &text);
  Add("workers per node", one.workers_per_node, &text);
  Add("job id", one.job_id, &text);
  Add("interface", one.interface, &text);
  if (!one.nodes_advice.empty()) {
    absl::StrAppend(&text, "nodes advice: ", one.nodes_advice, "\n");
  }
  if (!one.rendezvous_advice.empty()) {
    absl::StrAppend(&text, "rendezvous advice: ", one.rendezvous_advice, "\n");
  }
  for (const std::string& note : one.notes) {
    absl::StrAppend(&text, "note: ", note, "\n");
  }
  return text;
}

}  // namespace muster::test
