#include "env/schedulers/cluster_json.h"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/schedulers/hosts.h"
#include "env/schedulers/json_reading.h"

namespace muster::env {
namespace {

struct Task {
  std::string type;
  uint32_t index = 0;
};

// The tasks of one role, such as "workerpool0" or "worker"; none where the
// cluster does not have it.
// Errors: InvalidArgument without the evidence in front.
absl::StatusOr<std::vector<HostPort>> ReadRole(const nlohmann::json& cluster,
                                               const std::string& name) {
  std::vector<HostPort> tasks;
  const nlohmann::json* list = Member(cluster, name.c_str());
  if (list == nullptr) return tasks;
  const absl::StatusOr<std::vector<std::string>> texts =
      Texts(*list, absl::StrCat("\"", name, "\""));
  if (!texts.ok()) return texts.status();
  for (const std::string& text : *texts) {
    const absl::StatusOr<HostPort> task = SplitHostPort(text);
    if (!task.ok()) return task.status();
    tasks.push_back(*task);
  }
  return tasks;
}

absl::StatusOr<Task> ReadTask(const nlohmann::json& task) {
  const std::optional<std::string> type = TextMember(task, "type");
  if (!type) {
    return absl::InvalidArgumentError("\"task\" has no \"type\" that is text");
  }
  // A task that is the only one of its kind may have no index.
  const std::optional<uint32_t> index =
      Member(task, "index") == nullptr ? 0 : IndexMember(task, "index");
  if (!index) {
    return absl::InvalidArgumentError(
        "the \"index\" of \"task\" is no number from 0 to 65535");
  }
  return Task{*type, *index};
}

// Job: the nodes out of the roles that are nodes; `own_task` is this node's.
// Errors: InvalidArgument without the evidence in front; FailedPrecondition as
// in the header.
absl::Status ReadNodes(const nlohmann::json& cluster,
                       const nlohmann::json& own_task,
                       std::initializer_list<const char*> node_roles,
                       const Evidence& evidence, Discovery* found) {
  const absl::StatusOr<Task> task = ReadTask(own_task);
  if (!task.ok()) return task.status();
  std::vector<std::string> hosts;
  std::optional<uint32_t> port;
  for (const char* name : node_roles) {
    const absl::StatusOr<std::vector<HostPort>> tasks = ReadRole(cluster, name);
    if (!tasks.ok()) return tasks.status();
    if (task->type == name) {
      if (task->index >= tasks->size()) {
        return absl::InvalidArgumentError(absl::StrCat(
            "this is task ", task->index, " of \"", name, "\", which has ",
            tasks->size(), " and counts from 0"));
      }
      found->node_rank = {static_cast<uint32_t>(hosts.size()) + task->index,
                          {evidence}};
    }
    for (const HostPort& one : *tasks) {
      if (hosts.empty()) port = one.port;
      hosts.push_back(one.host);
    }
  }
  if (hosts.size() != EachOnce(hosts).size()) {
    return absl::FailedPreconditionError(
        "it names a host more than once, so that its tasks are not nodes");
  }
  if (absl::Status status = CheckHosts(hosts); !status.ok()) return status;
  if (!found->node_rank) {
    const bool known = Member(cluster, task->type.c_str());
    const std::string text = absl::StrCat("this task is of the type '",
                                          task->type.substr(0, 40), "'");
    if (known || task->type == "evaluator") {
      return absl::FailedPreconditionError(
          absl::StrCat(text,
                       ", which is no node of the job; start muster only where "
                       "workers are to run"));
    }
    return absl::InvalidArgumentError(
        absl::StrCat(text, ", which the cluster does not have"));
  }
  SetHosts(hosts, evidence, found);
  if (port) found->rendezvous_port = {*port, {evidence}};
  return absl::OkStatus();
}

// `status` with the evidence in front and its code kept.
absl::Status About(const Evidence& evidence, const absl::Status& status) {
  return {status.code(), absl::StrCat(evidence.Text(), ": ", status.message())};
}

}  // namespace

MaybeDiscovery DiscoverVertex(const Inputs& inputs) {
  const Reading reading(inputs);
  const Evidence evidence = reading.Get("CLUSTER_SPEC");
  if (evidence.value.empty()) return std::nullopt;
  const absl::StatusOr<nlohmann::json> json = ParseJson(evidence);
  if (!json.ok()) return json.status();
  const nlohmann::json* cluster = Member(*json, "cluster");
  const nlohmann::json* task = Member(*json, "task");
  if (cluster == nullptr || task == nullptr ||
      Member(*cluster, "workerpool0") == nullptr) {
    return std::nullopt;
  }
  Discovery found{"vertex", "Vertex AI"};
  if (absl::Status status = ReadNodes(
          *cluster, *task, {"workerpool0", "workerpool1"}, evidence, &found);
      !status.ok()) {
    return About(evidence, status);
  }
  return found;
}

MaybeDiscovery DiscoverTfConfig(const Inputs& inputs) {
  const Reading reading(inputs);
  const Evidence evidence = reading.Get("TF_CONFIG");
  if (evidence.value.empty()) return std::nullopt;
  const absl::StatusOr<nlohmann::json> json = ParseJson(evidence);
  if (!json.ok()) return json.status();
  const nlohmann::json* cluster = Member(*json, "cluster");
  // A single process may be told {} or only its task.
  if (cluster == nullptr || cluster->empty()) return std::nullopt;
  if (!cluster->is_object()) {
    return WrongValue(evidence, "\"cluster\" must be an object");
  }
  const nlohmann::json* task = Member(*json, "task");
  if (task == nullptr) {
    return WrongValue(evidence, "has a \"cluster\" and no \"task\"");
  }
  Discovery found{"tfconfig", "TF_CONFIG"};
  if (absl::Status status = ReadNodes(
          *cluster, *task, {"chief", "master", "worker"}, evidence, &found);
      !status.ok()) {
    return About(evidence, status);
  }
  // The port is that of TensorFlow's own server.
  found.rendezvous_port.reset();
  return found;
}

}  // namespace muster::env
