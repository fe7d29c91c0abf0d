#include "env/frameworks/environment.h"

#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "env/frameworks/azure.h"
#include "env/frameworks/jax.h"
#include "env/frameworks/open_mpi.h"
#include "env/frameworks/plain.h"
#include "env/frameworks/pytorch.h"
#include "env/frameworks/tensorflow.h"

namespace muster::env {
namespace {

constexpr char kOwnPrefix[] = "MUSTER_";
constexpr char kAzurePrefix[] = "AZ_BATCHAI_";

bool HoldsNul(const std::string& text) {
  return text.find('\0') != std::string::npos;
}

// What the agent was started with, without what is not for workers.
Variables WithoutForeignFacts(Variables inherited, Framework framework,
                              const Placement& placement) {
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
        "TORCHELASTIC_USE_AGENT_STORE", "JAX_COORDINATOR_ADDRESS",
        "JAX_LOCAL_DEVICE_IDS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID",
        "TF_CONFIG"}) {
    inherited.erase(name);
  }
  for (const absl::string_view name : AzureFactNames()) {
    inherited.erase(std::string(name));
  }
  if (framework != FRAMEWORK_MPI) EraseMpiProcess(&inherited);
  return inherited;
}

// A part of what the workers are told, and what people call it.
struct Contract {
  const char* name;
  FrameworkVariables given;
};

// The contracts of a framework from weak to strong; of a variable that several
// of them know, the value of the strongest counts.
absl::StatusOr<std::vector<Contract>> ContractsOf(Framework framework,
                                                  const Placement& placement) {
  std::vector<Contract> contracts = {{"ranks", PlainVariables(placement)}};
  if (framework != FRAMEWORK_PLAIN) {
    contracts.push_back({"azure", AzureVariables(placement)});
  }
  switch (framework) {
    case FRAMEWORK_PYTORCH:
      contracts.push_back({"azure", {OpenMpiNames(placement), {}}});
      contracts.push_back({"torchrun", PytorchVariables(placement)});
      break;
    case FRAMEWORK_PLAIN:
      contracts.push_back({"jax", {JaxVariables(placement), {}}});
      break;
    case FRAMEWORK_TENSORFLOW:
      contracts.push_back({"tensorflow", TensorflowVariables(placement)});
      break;
    case FRAMEWORK_MPI:
      break;
    default:
      return absl::InvalidArgumentError(absl::StrCat(
          "framework ", static_cast<int>(framework),
          " is not known; --framework takes pytorch, tensorflow, mpi or "
          "plain"));
  }
  return contracts;
}

// Of what two contracts say alike, the weaker is the source; and Azure's names
// are Azure's, whoever computes them.
void AddFacts(const Contract& contract, ExplainedVariables* facts) {
  for (const auto& [name, value] : contract.given.facts) {
    Explained& fact = (*facts)[name];
    if (!fact.source.empty() && fact.value == value) continue;
    fact.value = value;
    fact.source =
        absl::StartsWith(name, kAzurePrefix) ? "azure" : contract.name;
  }
}

// "--input" for AZ_BATCHAI_INPUT_DATA.
const char* FlagOf(const std::string& name) {
  if (absl::StartsWith(name, "AZ_BATCHAI_INPUT_")) return "--input";
  if (absl::StartsWith(name, "AZ_BATCHAI_OUTPUT_")) return "--output";
  return "--shared-dir";
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

absl::StatusOr<ExplainedVariables> ExplainEnvironment(
    Framework framework, const Placement& placement,
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
  const absl::StatusOr<std::vector<Contract>> contracts =
      ContractsOf(framework, placement);
  if (!contracts.ok()) return contracts.status();

  // Strongest first: emplace() keeps what is there.
  ExplainedVariables result;
  for (const auto& [name, value] : sources.user) {
    result.emplace(name, Explained{value, "--env"});
  }
  for (const auto& [name, value] : DirectoryVariables(placement)) {
    result.emplace(name, Explained{value, FlagOf(name)});
  }
  ExplainedVariables facts;
  for (const Contract& contract : *contracts) AddFacts(contract, &facts);
  result.merge(facts);
  result.emplace("MUSTER_RUN_ID", Explained{placement.run_id, "muster"});
  Variables defaults;
  for (auto contract = contracts->rbegin(); contract != contracts->rend();
       ++contract) {
    defaults.insert(contract->given.defaults.begin(),
                    contract->given.defaults.end());
  }
  for (const auto& [name, value] :
       WithoutForeignFacts(sources.inherited, framework, placement)) {
    result.emplace(name,
                   Explained{value, "inherited", defaults.count(name) > 0});
  }
  for (const auto& [name, value] : defaults) {
    result.emplace(name, Explained{value, "default"});
  }
  return result;
}

absl::StatusOr<Variables> WorkerEnvironment(Framework framework,
                                            const Placement& placement,
                                            const EnvironmentSources& sources) {
  absl::StatusOr<ExplainedVariables> explained =
      ExplainEnvironment(framework, placement, sources);
  if (!explained.ok()) return explained.status();
  Variables result;
  for (auto& [name, variable] : *explained) {
    result.emplace_hint(result.end(), name, std::move(variable.value));
  }
  return result;
}

}  // namespace muster::env
