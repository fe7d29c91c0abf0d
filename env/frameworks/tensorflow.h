#ifndef MUSTER_ENV_FRAMEWORKS_TENSORFLOW_H_
#define MUSTER_ENV_FRAMEWORKS_TENSORFLOW_H_

#include <cstdint>
#include <string>

#include "env/frameworks/placement.h"
#include "env/frameworks/variables.h"

namespace muster::env {

// TF_CONFIG of one task, byte for byte as Azure wrote it: "cluster", "task" and
// "environment" on one line. A role without tasks is left out (TensorFlow 2.13
// and later fail on an empty list), and so is the evaluator for everybody but
// itself, since it is no part of the cluster that trains. The cluster of all
// other tasks is the same text.
std::string TfConfig(const TaskCluster& cluster, const std::string& task_type,
                     uint32_t task_index);

// The contract of --framework tensorflow: that of plain, and
// - TF_CONFIG;
// - Azure's AZ_BATCHAI_PS_HOSTS and AZ_BATCHAI_WORKER_HOSTS, each only where
//   there are any, AZ_BATCHAI_TASK_TYPE, and AZ_BATCHAI_TASK_INDEX, the index
//   within the role;
// - CUDA_VISIBLE_DEVICES as the placement has it;
// - as a default: the interface, if known, as NCCL_SOCKET_IFNAME.
FrameworkVariables TensorflowVariables(const Placement& placement);

}  // namespace muster::env

#endif  // MUSTER_ENV_FRAMEWORKS_TENSORFLOW_H_
