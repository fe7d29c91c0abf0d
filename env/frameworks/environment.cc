#include "env/frameworks/environment.h"

#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "env/frameworks/plain.h"
#include "env/frameworks/pytorch.h"
#include "env/frameworks/tensorflow.h"

namespace muster::env {
namespace {

constexpr char kOwnPrefix[] = "MUSTER_";

bool HoldsNul(const std::string& text) {
  return text.find('\0') != std::string::npos;
}

// What the agent was started with, without what is not for workers.
Variables WithoutForeignFacts(Variables inherited, const Placement& placement) {
  for (auto it = inherited.begin(); it != inherited.end();) {
    it = absl::StartsWith(it->first, kOwnPrefix) ? inherited.erase(it)
                                                 : std::next(it);
  }
  // Facts of every framework, not only of the worker's own; PyTorch's hold
  // the others. CUDA_VISIBLE_DEVICES, if among them, is set again anyway.
  const Variables pytorch = PytorchVariables(placement).facts;
  for (const auto& [name, value] : pytorch) {
    inherited.erase(name);
  }
  for (const char* name :
       {"TORCHELASTIC_ERROR_FILE", "TORCHELASTIC_TIMER_FILE",
        "TORCHELASTIC_USE_AGENT_STORE", "TF_CONFIG", "AZ_BATCHAI_PS_HOSTS",
        "AZ_BATCHAI_WORKER_HOSTS", "AZ_BATCHAI_TASK_TYPE"}) {
    inherited.erase(name);
  }
  return inherited;
}

}  // namespace

Variables ParseEnvironment(const char* const* block) {
  Variables variables;
  for (; *block != nullptr; ++block) {
    const absl::string_view entry = *block;
    const size_t equals = entry.find('=');
    if (equals == 0 || equals == absl::string_view::npos) continue;
    variables.emplace(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return variables;
}

std::vector<std::string> EnvironmentBlock(const Variables& variables) {
  std::vector<std::string> block;
  block.reserve(variables.size());
  for (const auto& [name, value] : variables) {
    block.push_back(absl::StrCat(name, "=", value));
  }
  return block;
}

absl::Status CheckUserVariables(const Variables& user) {
  for (const auto& [name, value] : user) {
    if (name.empty() || name.find('=') != std::string::npos || HoldsNul(name)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--env: \"", name, "\" is no name of a variable; write NAME=VALUE"));
    }
    if (absl::StartsWith(name, kOwnPrefix)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--env ", name, ": names that begin with ", kOwnPrefix,
          " are muster's settings and are kept from workers; choose another"));
    }
    if (HoldsNul(value)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--env ", name,
                       ": the value holds a NUL byte, which no environment "
                       "can carry; remove it"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Variables> WorkerEnvironment(Framework framework,
                                            const Placement& placement,
                                            const EnvironmentSources& sources) {
  absl::Status status = CheckUserVariables(sources.user);
  if (!status.ok()) return status;
  if (placement.one_gpu_each && !placement.gpus.empty() &&
      placement.gpus.size() < placement.local_world_size) {
    return absl::FailedPreconditionError(absl::StrCat(
        "--gpu-binding one: node ", placement.node_rank, " has ",
        placement.gpus.size(), " visible GPUs for ", placement.local_world_size,
        " workers; lower --nproc-per-node, check CUDA_VISIBLE_DEVICES, or "
        "use --gpu-binding none"));
  }

  FrameworkVariables given;
  switch (framework) {
    case FRAMEWORK_PYTORCH:
      given = PytorchVariables(placement);
      break;
    case FRAMEWORK_PLAIN:
      given = PlainVariables(placement);
      break;
    case FRAMEWORK_TENSORFLOW:
      given = TensorflowVariables(placement);
      break;
    default:
      return absl::InvalidArgumentError(absl::StrCat(
          "framework ", static_cast<int>(framework),
          " is not known; --framework takes pytorch, tensorflow or "
          "plain"));
  }

  // Strongest first: insert() keeps what is there.
  Variables result = sources.user;
  result.insert(given.facts.begin(), given.facts.end());
  result.insert({"MUSTER_RUN_ID", placement.run_id});
  const Variables inherited = WithoutForeignFacts(sources.inherited, placement);
  result.insert(inherited.begin(), inherited.end());
  result.insert(given.defaults.begin(), given.defaults.end());
  return result;
}

}  // namespace muster::env
