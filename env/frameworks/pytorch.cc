#include "env/frameworks/pytorch.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "env/frameworks/plain.h"

namespace muster::env {
namespace {

constexpr char kFileScheme[] = "file://";

std::string InitMethod(const Placement& placement) {
  const std::string file =
      InitFile(placement.init_method, placement.run_id, placement.attempt);
  if (!file.empty()) return absl::StrCat(kFileScheme, file);
  return absl::StrCat("tcp://", AddressWithPort(placement.master_address,
                                                placement.master_port));
}

}  // namespace

std::string InitFile(absl::string_view init_method, absl::string_view run_id,
                     uint32_t attempt) {
  absl::string_view directory = init_method;
  if (!absl::ConsumePrefix(&directory, kFileScheme)) return "";
  return absl::StrCat(absl::StripSuffix(directory, "/"), "/muster-", run_id,
                      "-", attempt);
}

FrameworkVariables PytorchVariables(const Placement& placement) {
  FrameworkVariables result = PlainVariables(placement);
  const std::string rank = absl::StrCat(placement.rank);
  const std::string world_size = absl::StrCat(placement.world_size);
  result.facts.insert({
      {"GROUP_RANK", absl::StrCat(placement.node_rank)},
      {"GROUP_WORLD_SIZE", absl::StrCat(placement.node_count)},
      {"ROLE_NAME", "default"},
      {"ROLE_RANK", rank},
      {"ROLE_WORLD_SIZE", world_size},
      {"TORCHELASTIC_MAX_RESTARTS", absl::StrCat(placement.max_restarts)},
      {"TORCHELASTIC_RESTART_COUNT", absl::StrCat(placement.attempt)},
      {"TORCHELASTIC_RUN_ID",
       placement.job_id.empty() ? placement.run_id : placement.job_id},
      {"AZ_BATCHAI_PYTORCH_BACKEND", placement.backend},
      {"AZ_BATCHAI_PYTORCH_INIT_METHOD", InitMethod(placement)},
  });
  if (!placement.error_file.empty()) {
    result.facts["TORCHELASTIC_ERROR_FILE"] = placement.error_file;
  }

  result.defaults["TORCH_NCCL_ASYNC_ERROR_HANDLING"] = "1";
  if (placement.local_world_size > 1) {
    // Otherwise each worker starts a thread for every processor of the node.
    result.defaults["OMP_NUM_THREADS"] = "1";
  }
  if (!placement.interface.empty()) {
    result.defaults["GLOO_SOCKET_IFNAME"] = placement.interface;
    result.defaults["NCCL_SOCKET_IFNAME"] = placement.interface;
  }
  return result;
}

}  // namespace muster::env
