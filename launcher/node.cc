#include "launcher/node.h"

#include <sys/random.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/hardware/gpus.h"
#include "env/hardware/interfaces.h"
#include "env/hardware/processors.h"

namespace muster::launcher {
namespace {

constexpr size_t kIncarnationBytes = 16;

std::optional<std::string> Find(const env::Variables& variables,
                                const std::string& name) {
  const auto it = variables.find(name);
  if (it == variables.end()) return std::nullopt;
  return it->second;
}

absl::StatusOr<uint32_t> CountWorkers(const JobSpec& spec, size_t gpus) {
  switch (spec.workers_per_node()) {
    case WORKERS_PER_NODE_COUNT:
      return spec.worker_count();
    case WORKERS_PER_NODE_CPU:
      return env::UsableProcessors();
    case WORKERS_PER_NODE_GPU:
      if (gpus == 0) {
        return absl::InvalidArgumentError(absl::StrCat(
            "--nproc-per-node gpu: ", spec.host_name(),
            " has no visible GPU; check the driver and CUDA_VISIBLE_DEVICES, "
            "or give a number"));
      }
      return gpus;
    default:
      return gpus == 0 ? 1 : gpus;
  }
}

}  // namespace

absl::StatusOr<Node> LookAtHardware(const JobSpec& spec,
                                    const env::Variables& inherited) {
  std::vector<std::string> gpus;
  std::string source;
  if (spec.pretend_gpus() > 0) {
    for (uint32_t i = 0; i < spec.pretend_gpus(); ++i) {
      gpus.push_back(absl::StrCat(i));
    }
    source = "pretended";
  } else {
    const env::GpuCount count = env::CountGpus();
    gpus = env::VisibleDevices(count.count,
                               Find(inherited, "CUDA_VISIBLE_DEVICES"));
    source = std::string(env::GpuSourceName(count.source));
  }
  const absl::StatusOr<uint32_t> workers = CountWorkers(spec, gpus.size());
  if (!workers.ok()) return workers.status();
  // How many tasks of TensorFlow run here is not known yet.
  if (BindsGpus(spec) && spec.agreement().framework() != FRAMEWORK_TENSORFLOW &&
      !gpus.empty() && *workers > gpus.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--gpu-binding one: ", spec.host_name(), " has ", gpus.size(),
        " visible GPUs for ", *workers,
        " workers; lower --nproc-per-node or use --gpu-binding none"));
  }
  Node node;
  node.gpus = std::move(gpus);
  node.pretend_gpus = spec.pretend_gpus() > 0;
  node.gpu_source = std::move(source);
  node.workers = *workers;
  return node;
}

absl::StatusOr<Node> LookAtNode(const JobSpec& spec,
                                const env::Variables& inherited) {
  absl::StatusOr<Node> node = LookAtHardware(spec, inherited);
  if (!node.ok()) return node.status();
  absl::StatusOr<env::HeldPort> port = env::HeldPort::Bind();
  if (!port.ok()) return port.status();
  node->master_port = *std::move(port);
  node->incarnation.resize(kIncarnationBytes);
  if (getrandom(node->incarnation.data(), kIncarnationBytes, 0) !=
      static_cast<ssize_t>(kIncarnationBytes)) {
    return absl::UnavailableError("the system has no random bytes to give");
  }
  return node;
}

Hello MakeHello(const JobSpec& spec, const Node& node,
                const std::string& reached) {
  Hello hello;
  *hello.mutable_agreement() = spec.agreement();
  NodeFacts* facts = hello.mutable_node();
  facts->set_host_name(spec.host_name());
  facts->set_incarnation(node.incarnation);
  if (spec.has_node_rank()) facts->set_node_rank(spec.node_rank());
  facts->set_workers(node.workers);
  facts->set_gpus(node.gpus.size());
  facts->set_reached(reached);
  facts->set_master_port(node.master_port.port());
  facts->set_pid(getpid());
  if (node.mpi) *facts->mutable_mpi() = *node.mpi;
  facts->set_problem(node.problem);
  facts->set_problem_exit_code(node.problem_exit_code);
  if (!spec.advertise().empty()) {
    facts->set_address(spec.advertise());
  } else if (reached.empty()) {
    facts->set_address("127.0.0.1");
  } else if (env::IsLocalAddress(reached)) {
    // The kernel answers "from where to my own address" with that address,
    // except in 127/8, where simulated nodes tell each other apart.
    facts->set_address(reached);
  } else if (const auto source =
                 env::SourceAddressTo(reached, spec.endpoint_port());
             source.ok()) {
    facts->set_address(*source);
  }
  return hello;
}

bool BindsGpus(const JobSpec& spec) {
  return spec.gpu_binding() == GPU_BINDING_ONE ||
         (spec.gpu_binding() == GPU_BINDING_UNSPECIFIED &&
          spec.agreement().framework() == FRAMEWORK_TENSORFLOW);
}

std::string BackendOf(const JobSpec& spec, const Node& node) {
  if (!spec.agreement().backend().empty()) return spec.agreement().backend();
  return node.gpus.empty() || node.pretend_gpus ? "gloo" : "nccl";
}

}  // namespace muster::launcher
