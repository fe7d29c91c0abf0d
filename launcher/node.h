// What this node brings to the job.
#ifndef MUSTER_LAUNCHER_NODE_H_
#define MUSTER_LAUNCHER_NODE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "env/frameworks/variables.h"
#include "env/hardware/ports.h"
#include "proto/job.pb.h"
#include "proto/rendezvous.pb.h"

namespace muster::launcher {

// This node, looked at once at the start.
struct Node {
  std::vector<std::string> gpus;  // entries for CUDA_VISIBLE_DEVICES
  bool pretend_gpus = false;      // `muster sim --gpus-per-node`
  std::string gpu_source;         // who counted them, for people
  uint32_t workers = 1;
  env::HeldPort master_port;       // for rank 0, if this node gets it
  std::string incarnation;         // 16 random bytes
  std::optional<MpiFacts> mpi;     // --framework mpi, once it was looked for
  std::string problem;             // why workers can't run here; "" if they can
  uint32_t problem_exit_code = 0;  // what the job ends with for that
};

// The hardware alone, and how many workers it gets: a Node with neither port
// nor incarnation, for who only wants to know.
// Errors: InvalidArgument as below.
absl::StatusOr<Node> LookAtHardware(const JobSpec& spec,
                                    const env::Variables& inherited);

// Looks at the hardware and holds a port. `inherited` is the environment of
// this process.
// Errors: InvalidArgument, naming the flag, when --nproc-per-node or
// --gpu-binding ask for GPUs that are not there; Unavailable when no port or
// no randomness is to be had.
absl::StatusOr<Node> LookAtNode(const JobSpec& spec,
                                const env::Variables& inherited);

// The hello of this node to the coordinator at `reached` ("" when it is in
// this very process). The node's address is --advertise, else the one from
// which it reaches the coordinator.
Hello MakeHello(const JobSpec& spec, const Node& node,
                const std::string& reached);

// Whether a worker sees only GPUs of its own: --gpu-binding, else what the
// framework is used to.
bool BindsGpus(const JobSpec& spec);

// "nccl" or "gloo": --backend, else nccl where there are real GPUs.
std::string BackendOf(const JobSpec& spec, const Node& node);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_NODE_H_
