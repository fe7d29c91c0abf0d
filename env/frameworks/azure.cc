#include "env/frameworks/azure.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace muster::env {
namespace {

constexpr absl::string_view kFactNames[] = {
    "AZ_BATCHAI_GPU_COUNT_FOUND",
    "AZ_BATCHAI_GPU_COUNT_NEED",
    "AZ_BATCHAI_JOB_MASTER_NODE_IP",
    "AZ_BATCHAI_MPI_HOST_FILE",
    "AZ_BATCHAI_MPI_MASTER_NODE",
    "AZ_BATCHAI_NUM_GPUS",
    "AZ_BATCHAI_PS_HOSTS",
    "AZ_BATCHAI_PYTORCH_BACKEND",
    "AZ_BATCHAI_PYTORCH_INIT_METHOD",
    "AZ_BATCHAI_TASK_INDEX",
    "AZ_BATCHAI_TASK_TYPE",
    "AZ_BATCHAI_WORKER_HOSTS",
    "AZ_BATCH_HOST_LIST",
    "AZ_BATCH_IS_CURRENT_NODE_MASTER",
    "AZ_BATCH_MASTER_NODE",
    "AZ_BATCH_NODE_LIST",
    "AZUREML_CR_NODE_RANK",
    "AZUREML_NODE_COUNT",
    "AZUREML_PROCESS_NAME",
    "CCP_NODES",
};

// "2 10.0.0.4 1 10.0.0.5 1": how many nodes, then each with its processes.
std::string CcpNodes(const std::vector<JobNode>& nodes) {
  std::string text = absl::StrCat(nodes.size());
  for (const JobNode& node : nodes) {
    absl::StrAppend(&text, " ", node.address, " ", node.workers);
  }
  return text;
}

}  // namespace

FrameworkVariables AzureVariables(const Placement& placement) {
  const auto address = [](std::string* out, const JobNode& node) {
    out->append(node.address);
  };
  const bool alone = placement.node_count == 1;
  const std::string gpus = absl::StrCat(placement.gpus.size());
  FrameworkVariables result;
  result.facts = {
      {"AZ_BATCHAI_GPU_COUNT_FOUND", gpus},
      {"AZ_BATCHAI_GPU_COUNT_NEED",
       absl::StrCat(placement.gpus.empty() ? 0 : placement.local_world_size)},
      {"AZ_BATCHAI_JOB_MASTER_NODE_IP", placement.master_address},
      {"AZ_BATCHAI_MPI_MASTER_NODE",
       alone ? "localhost" : placement.master_address},
      {"AZ_BATCHAI_NUM_GPUS", gpus},
      {"AZ_BATCHAI_TASK_INDEX", absl::StrCat(placement.rank)},
      {"AZ_BATCH_HOST_LIST", absl::StrJoin(placement.nodes, ",", address)},
      {"AZ_BATCH_IS_CURRENT_NODE_MASTER",
       placement.node_rank == 0 ? "true" : "false"},
      {"AZ_BATCH_NODE_LIST", absl::StrJoin(placement.nodes, ";", address)},
      {"AZUREML_CR_NODE_RANK", absl::StrCat(placement.node_rank)},
      {"AZUREML_NODE_COUNT", absl::StrCat(placement.node_count)},
      {"AZUREML_PROCESS_NAME", absl::StrCat("rank_", placement.rank)},
      {"CCP_NODES", CcpNodes(placement.nodes)},
  };
  if (!alone) {
    result.facts["AZ_BATCH_MASTER_NODE"] =
        AddressWithPort(placement.master_address, placement.master_port);
  }
  if (!placement.host_file.empty()) {
    result.facts["AZ_BATCHAI_MPI_HOST_FILE"] = placement.host_file;
  }
  if (!placement.job_temp.empty()) {
    result.defaults["AZ_BATCHAI_JOB_TEMP"] = placement.job_temp;
  }
  if (!placement.interface.empty()) {
    result.defaults["NCCL_SOCKET_IFNAME"] = placement.interface;
  }
  return result;
}

Variables DirectoryVariables(const Placement& placement) {
  Variables result;
  if (!placement.shared_dir.empty()) {
    result["AZ_BATCHAI_SHARED_JOB_TEMP"] = placement.shared_dir;
  }
  for (const auto& [name, directory] : placement.inputs) {
    result[absl::StrCat("AZ_BATCHAI_INPUT_", name)] = directory;
  }
  for (const auto& [name, directory] : placement.outputs) {
    result[absl::StrCat("AZ_BATCHAI_OUTPUT_", name)] = directory;
  }
  return result;
}

absl::Span<const absl::string_view> AzureFactNames() { return kFactNames; }

std::string HostFileText(const std::vector<JobNode>& nodes) {
  std::string text;
  for (const JobNode& node : nodes) {
    absl::StrAppend(&text, node.address, " slots=", node.workers, "\n");
  }
  return text;
}

}  // namespace muster::env
