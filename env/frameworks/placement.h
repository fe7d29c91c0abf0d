#ifndef MUSTER_ENV_FRAMEWORKS_PLACEMENT_H_
#define MUSTER_ENV_FRAMEWORKS_PLACEMENT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace muster::env {

// One node of the job, as host lists name it.
struct JobNode {
  std::string address;  // numeric, IPv6 without brackets
  uint32_t workers = 1;
};

// Every task of a TensorFlow job as HOST:PORT, by role and index.
struct TaskCluster {
  std::vector<std::string> chief;
  std::vector<std::string> evaluator;
  std::vector<std::string> ps;
  std::vector<std::string> worker;
};

// The place of one worker in one attempt of a job: all that its variables are
// made of. A plain value; whoever fills it in has checked that
// local_rank < local_world_size, rank < world_size, node_rank < node_count.
struct Placement {
  // The job. job_id is what the user calls it (--rdzv-id), and may be empty;
  // run_id is unique and may be part of a file name.
  std::string job_id;
  std::string run_id;
  uint32_t attempt = 0;
  uint32_t max_restarts = 0;

  // The node, and the worker on it and in the job. Nodes may run different
  // numbers of workers.
  uint32_t node_rank = 0;
  uint32_t node_count = 1;
  uint32_t local_rank = 0;
  uint32_t local_world_size = 1;
  uint32_t rank = 0;
  uint32_t world_size = 1;

  // Every node of the job, this one too, by node rank.
  std::vector<JobNode> nodes;

  // Where rank 0 will listen; numeric, IPv6 without brackets. Port 0 is not
  // known yet, which only `muster env` shows.
  std::string master_address;
  uint32_t master_port = 0;

  // The interface over which this node reaches the others; empty if unknown.
  std::string interface;

  // The GPUs that all workers of this node share, as entries of
  // CUDA_VISIBLE_DEVICES (see VisibleDevices() in env/hardware/gpus.h). With
  // one_gpu_each, CUDA_VISIBLE_DEVICES of the worker is its own entry, the
  // local_rank-th; without, the variable is left as the agent has it. A node
  // with no GPU has no entries, and one_gpu_each then changes nothing.
  std::vector<std::string> gpus;
  bool one_gpu_each = false;

  // Directories, as absolute paths: one of this node for this run, with the
  // host file in it (both empty where there is none); --shared-dir, empty if
  // not given; --input and --output by name.
  std::string job_temp;
  std::string host_file;
  std::string shared_dir;
  std::map<std::string, std::string> inputs;
  std::map<std::string, std::string> outputs;

  // PyTorch only. "nccl" or "gloo"; "tcp" or "file:///SHARED/DIR", the latter
  // an existing directory that all nodes see; and the file in which the worker
  // leaves its exception, empty for none.
  std::string backend;
  std::string init_method = "tcp";
  std::string error_file;

  // TensorFlow only: which task this is ("ps", "chief", "worker" or
  // "evaluator"), what else there is, and its CUDA_VISIBLE_DEVICES (see
  // gpu_shares.h; not set: left as the agent has it). one_gpu_each is unset.
  TaskCluster cluster;
  std::string task_type;
  uint32_t task_index = 0;
  std::optional<std::string> visible_gpus;
};

// "10.0.0.4:29500" and "[fd00::4]:29500", as URLs want them; "<port>" stands
// for a port that is not known yet.
std::string AddressWithPort(absl::string_view address, uint32_t port);

// The port alone, in the same way.
std::string PortText(uint32_t port);

}  // namespace muster::env

#endif  // MUSTER_ENV_FRAMEWORKS_PLACEMENT_H_
