#ifndef MUSTER_TESTS_ENV_FRAMEWORKS_PLACEMENTS_H_
#define MUSTER_TESTS_ENV_FRAMEWORKS_PLACEMENTS_H_

#include "env/frameworks/placement.h"

namespace muster::env {

// Worker `local_rank` of node `node_rank` in a job of two nodes with two
// workers and two GPUs each.
inline Placement TwoByTwo(uint32_t node_rank, uint32_t local_rank) {
  return {.job_id = "mnist",
          .run_id = "run7",
          .attempt = 1,
          .max_restarts = 3,
          .node_rank = node_rank,
          .node_count = 2,
          .local_rank = local_rank,
          .local_world_size = 2,
          .rank = node_rank * 2 + local_rank,
          .world_size = 4,
          .nodes = {{"10.0.0.4", 2}, {"10.0.0.5", 2}},
          .master_address = "10.0.0.4",
          .master_port = 23456,
          .interface = "eth0",
          .gpus = {"2", "GPU-5a"},
          .job_temp = "/tmp/muster-run7",
          .host_file = "/tmp/muster-run7/hostfile",
          .backend = "nccl"};
}

// The only worker of a job of one node without GPUs.
inline Placement Alone() {
  return {.run_id = "run8",
          .nodes = {{"127.0.0.1", 1}},
          .master_address = "127.0.0.1",
          .master_port = 10001,
          .job_temp = "/tmp/muster-run8",
          .host_file = "/tmp/muster-run8/hostfile",
          .backend = "gloo"};
}

}  // namespace muster::env

#endif  // MUSTER_TESTS_ENV_FRAMEWORKS_PLACEMENTS_H_
