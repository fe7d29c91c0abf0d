#include "env/schedulers/azure.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "env/schedulers/hosts.h"
#include "env/schedulers/json_reading.h"

namespace muster::env {
namespace {

constexpr char kConfig[] = "AZUREML_CR_DISTRIBUTED_CONFIG";
constexpr char kMlTitle[] = "Azure ML";

// The first of `names` that is set, or null.
const char* FirstSet(const Reading& reading,
                     std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (reading.Has(name)) return name;
  }
  return nullptr;
}

MaybeDiscovery FromConfig(Reading* reading) {
  const Evidence evidence = reading->Get(kConfig);
  const absl::StatusOr<nlohmann::json> json = ParseJson(evidence);
  if (!json.ok()) return json.status();
  const nlohmann::json* list = Member(*json, "host_list");
  if (list == nullptr) return std::nullopt;
  const absl::StatusOr<std::vector<std::string>> hosts =
      Texts(*list, "host_list");
  if (!hosts.ok()) return WrongValue(evidence, hosts.status());
  if (absl::Status status = CheckHosts(*hosts); !status.ok()) {
    return WrongValue(evidence, status);
  }
  Discovery found{"azureml", kMlTitle};
  SetHosts(*hosts, evidence, &found);
  const std::optional<std::string> variable = TextMember(*json, "rank");
  if (!variable || variable->empty()) {
    return WrongValue(evidence,
                      "\"rank\" must be the name of the variable with this "
                      "node's index");
  }
  if (!reading->Has(*variable)) {
    return WrongValue(evidence,
                      absl::StrCat("names ", Evidence{*variable, ""}.Text(),
                                   " for this node's index, which is not set"));
  }
  found.node_rank = reading->Rank(*variable);
  if (!reading->status().ok()) return reading->status();
  return found;
}

// `localhost` is how Azure ML names the master of a single node.
bool IsSingle(const Reading& reading) {
  return reading.Get("AZ_BATCHAI_MPI_MASTER_NODE").value == "localhost" &&
         !reading.Has("AZ_BATCH_MASTER_NODE");
}

MaybeDiscovery FromNodeCount(Reading* reading) {
  Discovery found{"azureml", kMlTitle};
  found.nodes = reading->Nodes("AZUREML_NODE_COUNT");
  if (!found.nodes && IsSingle(*reading)) {
    found.nodes = {{1, 1}, {reading->Get("AZ_BATCHAI_MPI_MASTER_NODE")}};
  }
  if (!reading->status().ok()) return reading->status();
  if (!found.nodes) return std::nullopt;
  const Evidence local = reading->Get("LOCAL_RANK");
  if (!local.value.empty() && local.value != "0") {
    return absl::AlreadyExistsError(absl::StrCat(
        local.Text(), ", ", EvidenceText(found.nodes->evidence),
        ": Azure ML started several agents on this node, and only the first "
        "one (LOCAL_RANK=0) may run; ask for one process on each node: "
        "process_count equal to node_count"));
  }
  if (const char* rank =
          FirstSet(*reading, {"AZUREML_CR_NODE_RANK", "NODE_RANK"})) {
    found.node_rank = reading->Rank(rank);
  }
  if (const char* master =
          FirstSet(*reading, {"AZ_BATCH_MASTER_NODE", "MASTER_ADDR",
                              "AZ_BATCHAI_JOB_MASTER_NODE_IP",
                              "AZ_BATCHAI_MPI_MASTER_NODE"})) {
    found.rendezvous_host = reading->Host(master);
  }
  if (!reading->status().ok()) return reading->status();
  return found;
}

}  // namespace

MaybeDiscovery DiscoverAzureMl(const Inputs& inputs) {
  Reading reading(inputs);
  if (reading.Has(kConfig)) {
    MaybeDiscovery found = FromConfig(&reading);
    if (!found.ok() || found->has_value()) return found;
  }
  return FromNodeCount(&reading);
}

MaybeDiscovery DiscoverAzureBatch(const Inputs& inputs) {
  Reading reading(inputs);
  const char* list =
      FirstSet(reading, {"AZ_BATCH_HOST_LIST", "AZ_BATCH_NODE_LIST"});
  if (list == nullptr) return std::nullopt;
  const Evidence evidence = reading.Get(list);
  std::vector<std::string> hosts;
  for (const absl::string_view host :
       absl::StrSplit(evidence.value, absl::ByAnyChar(",;"))) {
    hosts.emplace_back(absl::StripAsciiWhitespace(host));
  }
  if (absl::Status status = CheckHosts(hosts); !status.ok()) {
    return WrongValue(evidence, status);
  }
  const std::optional<Fact<std::string>> master =
      reading.Host("AZ_BATCH_MASTER_NODE");
  if (!reading.status().ok()) return reading.status();
  if (master) {
    const auto place = std::find(hosts.begin(), hosts.end(), master->value);
    if (place == hosts.end()) {
      return WrongValue(master->evidence[0],
                        absl::StrCat("is not in ", evidence.Text()));
    }
    std::rotate(hosts.begin(), place, place + 1);
  }

  Discovery found{"azurebatch", "Azure Batch"};
  SetHosts(hosts, evidence, &found);
  if (master) found.rendezvous_host = master;
  const absl::StatusOr<std::optional<size_t>> place =
      PlaceAmong(hosts, inputs.node);
  if (!place.ok()) return WrongValue(evidence, place.status());
  const Evidence is_master = reading.Get("AZ_BATCH_IS_CURRENT_NODE_MASTER");
  const bool claims = is_master.value == "true";
  if (place->has_value()) {
    found.node_rank = {static_cast<uint32_t>(**place), {evidence}};
    if (!is_master.value.empty() && claims != (**place == 0)) {
      return WrongValue(
          is_master,
          absl::StrCat(
              "but this node, ", hosts[**place], claims ? ", is not" : ", is",
              " the master: ", EvidenceText(found.rendezvous_host->evidence)));
    }
  } else if (claims) {
    // In a container with a network of its own.
    found.node_rank = {0, {is_master}};
  } else {
    found.notes.push_back(absl::StrCat(
        evidence.Text(), ": this node is not there (it is ",
        IdentityText(inputs.node),
        "), so its rank follows its host name; --node-rank sets it"));
  }
  return found;
}

}  // namespace muster::env
