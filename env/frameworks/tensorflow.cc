#include "env/frameworks/tensorflow.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "env/frameworks/plain.h"

namespace muster::env {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

std::string TfConfig(const TaskCluster& cluster, const std::string& task_type,
                     uint32_t task_index) {
  Json roles = Json::object();
  const auto add = [&roles](const char* role,
                            const std::vector<std::string>& hosts) {
    if (!hosts.empty()) roles[role] = hosts;
  };
  add("chief", cluster.chief);
  if (task_type == "evaluator") add("evaluator", cluster.evaluator);
  add("ps", cluster.ps);
  add("worker", cluster.worker);
  const Json config = {{"cluster", std::move(roles)},
                       {"task", {{"type", task_type}, {"index", task_index}}},
                       {"environment", "cloud"}};
  return config.dump();
}

FrameworkVariables TensorflowVariables(const Placement& placement) {
  FrameworkVariables result = PlainVariables(placement);
  const TaskCluster& cluster = placement.cluster;
  result.facts.insert(
      {{"TF_CONFIG",
        TfConfig(cluster, placement.task_type, placement.task_index)},
       {"AZ_BATCHAI_TASK_INDEX", absl::StrCat(placement.task_index)},
       {"AZ_BATCHAI_TASK_TYPE", placement.task_type}});
  if (!cluster.ps.empty()) {
    result.facts["AZ_BATCHAI_PS_HOSTS"] = absl::StrJoin(cluster.ps, ",");
  }
  if (!cluster.worker.empty()) {
    result.facts["AZ_BATCHAI_WORKER_HOSTS"] =
        absl::StrJoin(cluster.worker, ",");
  }
  if (placement.visible_gpus) {
    result.facts["CUDA_VISIBLE_DEVICES"] = *placement.visible_gpus;
  }
  if (!placement.interface.empty()) {
    result.defaults["NCCL_SOCKET_IFNAME"] = placement.interface;
  }
  return result;
}

}  // namespace muster::env
