#include "env/schedulers/volcano.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "env/schedulers/hosts.h"

namespace muster::env {
namespace {

constexpr char kDirectory[] = "/etc/volcano";

struct Task {
  std::vector<std::string> hosts;
  Evidence evidence;
};

std::vector<std::string> SplitHosts(absl::string_view text) {
  return absl::StrSplit(text, absl::ByAnyChar(", \t\r\n"), absl::SkipEmpty());
}

// The tasks in alphabetical order, from VC_<TASK>_HOSTS.
absl::StatusOr<std::vector<Task>> TasksOfVariables(const Inputs& inputs,
                                                   Reading* reading) {
  std::vector<Task> tasks;
  for (const auto& [name, value] : inputs.variables) {
    absl::string_view task = name;
    if (value.empty() || !absl::ConsumePrefix(&task, "VC_") ||
        !absl::ConsumeSuffix(&task, "_HOSTS") || task.empty()) {
      continue;
    }
    tasks.push_back({SplitHosts(value), {name, value}});
    const std::string count = absl::StrCat("VC_", task, "_NUM");
    const std::optional<Fact<NodeCount>> told = reading->Nodes(count);
    if (!reading->status().ok()) return reading->status();
    if (told && told->value.max != tasks.back().hosts.size()) {
      return WrongValue(reading->Get(count),
                        absl::StrCat("but ", tasks.back().evidence.Text(),
                                     " names ", tasks.back().hosts.size(),
                                     " hosts; was the list cut short?"));
    }
  }
  return tasks;
}

absl::StatusOr<std::vector<Task>> TasksOfFiles(const Inputs& inputs) {
  std::vector<Task> tasks;
  for (const std::string& name : inputs.files.List(kDirectory)) {
    if (!absl::EndsWith(name, ".host")) continue;
    const std::string path = absl::StrCat(kDirectory, "/", name);
    const absl::StatusOr<std::string> text = inputs.files.Read(path);
    if (!text.ok()) return absl::InvalidArgumentError(text.status().message());
    tasks.push_back({SplitHosts(*text), {path, ""}});
  }
  return tasks;
}

// This node's place in the list of all hosts: `index` counts within its task.
// Errors: InvalidArgument where there are several tasks and the node is in none
// of them, may be two of the hosts, or is not number `index` of its task.
absl::StatusOr<uint32_t> OwnRank(const std::vector<Task>& tasks,
                                 const std::vector<std::string>& hosts,
                                 const NodeIdentity& node,
                                 const Fact<uint32_t>& index) {
  if (tasks.size() == 1) return index.value;
  const Evidence& evidence = index.evidence[0];
  const absl::StatusOr<std::optional<size_t>> place = PlaceAmong(hosts, node);
  if (!place.ok()) return WrongValue(evidence, place.status());
  if (!place->has_value()) {
    return WrongValue(
        evidence,
        absl::StrCat("counts within one task, and this node, ",
                     IdentityText(node), ", is in none of the ", tasks.size(),
                     " tasks' lists; give --node-rank"));
  }
  size_t within = **place;
  auto task = tasks.begin();
  for (; within >= task->hosts.size(); ++task) within -= task->hosts.size();
  if (within != index.value) {
    return WrongValue(evidence, absl::StrCat("but this node, ", hosts[**place],
                                             ", is number ", within, " of ",
                                             task->evidence.Text()));
  }
  return static_cast<uint32_t>(**place);
}

}  // namespace

MaybeDiscovery DiscoverVolcano(const Inputs& inputs) {
  Reading reading(inputs);
  const char* variable =
      reading.Has("VC_TASK_INDEX") ? "VC_TASK_INDEX" : "VK_TASK_INDEX";
  const std::optional<Fact<uint32_t>> index = reading.Rank(variable);
  if (!reading.status().ok()) return reading.status();
  if (!index) return std::nullopt;

  absl::StatusOr<std::vector<Task>> tasks = TasksOfVariables(inputs, &reading);
  if (tasks.ok() && tasks->empty()) tasks = TasksOfFiles(inputs);
  if (!tasks.ok()) return tasks.status();
  Discovery found{"volcano", "Volcano"};
  if (tasks->empty()) {
    found.node_rank = index;
    found.nodes_advice =
        "Volcano gives this node an index and no count: let the job use the "
        "plugins env and svc, or give --nnodes";
    found.rendezvous_advice =
        "Volcano gives no list of hosts: let the job use the plugins env and "
        "svc";
    return found;
  }
  std::vector<std::string> hosts;
  std::vector<Evidence> evidence;
  for (const Task& task : *tasks) {
    hosts.insert(hosts.end(), task.hosts.begin(), task.hosts.end());
    evidence.push_back(task.evidence);
  }
  if (absl::Status status = CheckHosts(hosts); !status.ok()) {
    return WrongValue({EvidenceText(evidence), ""}, status);
  }
  const absl::StatusOr<uint32_t> rank =
      OwnRank(*tasks, hosts, inputs.node, *index);
  if (!rank.ok()) return rank.status();
  SetHosts(hosts, evidence[0], &found);
  found.nodes->evidence = evidence;
  found.hosts->evidence = evidence;
  found.node_rank = {*rank, index->evidence};
  return found;
}

}  // namespace muster::env
