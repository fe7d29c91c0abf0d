#include "env/schedulers/sagemaker.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "env/schedulers/hosts.h"
#include "env/schedulers/json_reading.h"

namespace muster::env {
namespace {

constexpr char kResourceConfig[] = "/opt/ml/input/config/resourceconfig.json";

// The job from its hosts, as `hosts_evidence` lists them, and this one's name.
MaybeDiscovery FromHosts(std::vector<std::string> hosts,
                         const Evidence& hosts_evidence,
                         const std::string& current,
                         const Evidence& current_evidence) {
  if (absl::Status status = CheckHosts(hosts); !status.ok()) {
    return WrongValue(hosts_evidence, status);
  }
  std::sort(hosts.begin(), hosts.end());
  Discovery found{"sagemaker", "SageMaker"};
  SetHosts(hosts, hosts_evidence, &found);
  const auto place = std::find(hosts.begin(), hosts.end(), current);
  if (place == hosts.end()) {
    return WrongValue(current_evidence, absl::StrCat("is none of the hosts of ",
                                                     hosts_evidence.Text()));
  }
  found.node_rank = {static_cast<uint32_t>(place - hosts.begin()),
                     {current_evidence}};
  return found;
}

absl::StatusOr<std::vector<std::string>> TextsOf(const Evidence& evidence) {
  const absl::StatusOr<nlohmann::json> json = ParseJson(evidence);
  if (!json.ok()) return json.status();
  absl::StatusOr<std::vector<std::string>> texts = Texts(*json, "the value");
  if (!texts.ok()) return WrongValue(evidence, texts.status());
  return texts;
}

// The hosts of the groups that share the job, in a job of several groups.
absl::StatusOr<std::vector<std::string>> HostsOfGroups(
    const std::vector<std::string>& groups, const Evidence& dictionary) {
  const absl::StatusOr<nlohmann::json> json = ParseJson(dictionary);
  if (!json.ok()) return json.status();
  std::vector<std::string> hosts;
  for (const std::string& group : groups) {
    const nlohmann::json* entry = Member(*json, group.c_str());
    const nlohmann::json* list =
        entry == nullptr ? nullptr : Member(*entry, "hosts");
    if (list == nullptr) {
      return WrongValue(dictionary, absl::StrCat("has no hosts of the group ",
                                                 Evidence{group, ""}.Text()));
    }
    const absl::StatusOr<std::vector<std::string>> some = Texts(*list, "hosts");
    if (!some.ok()) return WrongValue(dictionary, some.status());
    hosts.insert(hosts.end(), some->begin(), some->end());
  }
  return hosts;
}

MaybeDiscovery FromVariables(const Reading& reading) {
  Evidence evidence = reading.Get("SM_HOSTS");
  absl::StatusOr<std::vector<std::string>> hosts = TextsOf(evidence);
  const Evidence groups = reading.Get("SM_DISTRIBUTION_INSTANCE_GROUPS");
  if (hosts.ok() && !groups.value.empty()) {
    const absl::StatusOr<std::vector<std::string>> names = TextsOf(groups);
    if (!names.ok()) return names.status();
    if (!names->empty()) {
      evidence = reading.Get("SM_INSTANCE_GROUPS_DICT");
      hosts = HostsOfGroups(*names, evidence);
    }
  }
  if (!hosts.ok()) return hosts.status();
  const Evidence current = reading.Get("SM_CURRENT_HOST");
  if (current.value.empty()) {
    return WrongValue(evidence,
                      "SM_CURRENT_HOST is not set, so this node's place in it "
                      "is not known");
  }
  MaybeDiscovery found =
      FromHosts(*std::move(hosts), evidence, current.value, current);
  if (found.ok()) {
    (*found)->interface = reading.Text("SM_NETWORK_INTERFACE_NAME");
    (*found)->job_id = reading.Text("TRAINING_JOB_NAME");
  }
  return found;
}

MaybeDiscovery FromFile(std::string text) {
  absl::RemoveExtraAsciiWhitespace(&text);  // one line, for people
  const Evidence evidence{kResourceConfig, text};
  const absl::StatusOr<nlohmann::json> json = ParseJson(evidence);
  if (!json.ok()) return json.status();
  const std::optional<std::string> current = TextMember(*json, "current_host");
  const nlohmann::json* list = Member(*json, "hosts");
  if (!current || list == nullptr) {
    return WrongValue(evidence, "\"hosts\" or \"current_host\" is missing");
  }
  absl::StatusOr<std::vector<std::string>> hosts = Texts(*list, "hosts");
  if (!hosts.ok()) return WrongValue(evidence, hosts.status());
  MaybeDiscovery found =
      FromHosts(*std::move(hosts), evidence, *current, evidence);
  const std::optional<std::string> interface =
      TextMember(*json, "network_interface_name");
  if (found.ok() && interface) (*found)->interface = {*interface, {evidence}};
  return found;
}

}  // namespace

MaybeDiscovery DiscoverSageMaker(const Inputs& inputs) {
  const Reading reading(inputs);
  if (reading.Has("SM_HOSTS")) return FromVariables(reading);
  const absl::StatusOr<std::string> file = inputs.files.Read(kResourceConfig);
  if (file.ok()) return FromFile(*file);
  if (absl::IsNotFound(file.status())) return std::nullopt;
  return absl::InvalidArgumentError(file.status().message());
}

}  // namespace muster::env
