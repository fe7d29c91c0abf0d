#ifndef MUSTER_ENV_FRAMEWORKS_AZURE_H_
#define MUSTER_ENV_FRAMEWORKS_AZURE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "env/frameworks/placement.h"
#include "env/frameworks/variables.h"

namespace muster::env {

// What scripts written for Azure ML, Batch AI and Azure Batch look for, the
// same in every framework but plain.
//
// Facts:
// - of the process: AZ_BATCHAI_TASK_INDEX (the rank; TensorFlow's contract has
//   another one), AZUREML_PROCESS_NAME;
// - of the node: AZUREML_CR_NODE_RANK, AZ_BATCH_IS_CURRENT_NODE_MASTER,
//   AZ_BATCHAI_NUM_GPUS, AZ_BATCHAI_GPU_COUNT_FOUND, AZ_BATCHAI_GPU_COUNT_NEED
//   (one for each worker, 0 on a node without GPUs), AZ_BATCHAI_MPI_HOST_FILE;
// - of the job: AZUREML_NODE_COUNT, AZ_BATCH_HOST_LIST (between commas),
//   AZ_BATCH_NODE_LIST (between semicolons), CCP_NODES,
//   AZ_BATCHAI_JOB_MASTER_NODE_IP, AZ_BATCHAI_MPI_MASTER_NODE ("localhost"
//   with one node); and, with several nodes only, as scripts tell by it,
//   AZ_BATCH_MASTER_NODE: the same address and port as MASTER_ADDR and
//   MASTER_PORT, so that it does not matter from which a script reads them.
// Defaults: AZ_BATCHAI_JOB_TEMP, as a directory of the platform's own will do
// as well; and the interface, if known, as NCCL_SOCKET_IFNAME, which scripts
// read without asking whether it is there.
//
// Left out on purpose: AZUREML_RUN_ID, AZUREML_RUN_TOKEN, the experiment's id
// and the services' addresses. With them Azure's SDK would try to call a
// service, and DeepSpeed would replace what it was given by guesses.
FrameworkVariables AzureVariables(const Placement& placement);

// What --shared-dir, --input and --output ask for, in every framework:
// AZ_BATCHAI_SHARED_JOB_TEMP, AZ_BATCHAI_INPUT_<NAME>,
// AZ_BATCHAI_OUTPUT_<NAME>.
Variables DirectoryVariables(const Placement& placement);

// The names that only muster may set below it: those of the facts above, and
// Azure's names of the facts of PyTorch and TensorFlow.
absl::Span<const absl::string_view> AzureFactNames();

// What the file at AZ_BATCHAI_MPI_HOST_FILE holds: a line "ADDRESS slots=N" for
// each node, in the order of ranks, as Open MPI reads it.
std::string HostFileText(const std::vector<JobNode>& nodes);

}  // namespace muster::env

#endif  // MUSTER_ENV_FRAMEWORKS_AZURE_H_
