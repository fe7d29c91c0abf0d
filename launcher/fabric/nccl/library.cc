#include "launcher/fabric/nccl/library.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "launcher/fabric/nccl/shared_library.h"

namespace muster::fabric {
namespace {

// NCCL's configuration as it was in 2.17. Later ones take its size and version
// from itself and fill up what it lacks; earlier ones ignore what they do not
// know. So this one serves all, whichever header muster was compiled with.
struct OldConfig {
  size_t size = sizeof(OldConfig);
  unsigned int magic = 0xcafebeef;
  unsigned int version = 21700;
  int blocking = 0;
  int cga_cluster_size = NCCL_CONFIG_UNDEF_INT;
  int min_ctas = NCCL_CONFIG_UNDEF_INT;
  int max_ctas = NCCL_CONFIG_UNDEF_INT;
  const char* net_name = nullptr;
};
static_assert(offsetof(OldConfig, net_name) == offsetof(ncclConfig_t, netName));
static_assert(offsetof(OldConfig, blocking) ==
              offsetof(ncclConfig_t, blocking));

// The version that brought calls that do not block.
constexpr int kSinceConfig = 21400;

absl::Status LoadFunctions(const SharedLibrary& library, NcclFunctions* into) {
  absl::Status status;
  status.Update(library.Load("ncclGetVersion", &into->get_version));
  status.Update(library.Load("ncclGetUniqueId", &into->get_unique_id));
  status.Update(library.Load("ncclCommInitRank", &into->init_rank));
  status.Update(library.Load("ncclCommAbort", &into->abort));
  status.Update(library.Load("ncclCommDestroy", &into->destroy));
  status.Update(library.Load("ncclCommGetAsyncError", &into->get_async_error));
  status.Update(library.Load("ncclGetErrorString", &into->get_error_string));
  status.Update(library.Load("ncclAllReduce", &into->all_reduce));
  into->get_last_error =
      library.Find<decltype(ncclGetLastError)>("ncclGetLastError");
  into->init_rank_config =
      library.Find<decltype(ncclCommInitRankConfig)>("ncclCommInitRankConfig");
  into->finalize = library.Find<decltype(ncclCommFinalize)>("ncclCommFinalize");
  return status;
}

}  // namespace

absl::StatusOr<NcclLibrary> NcclLibrary::Open(const std::string& name) {
  absl::StatusOr<SharedLibrary> library = SharedLibrary::Open(name);
  if (!library.ok()) return library.status();
  NcclLibrary nccl;
  nccl.path_ = library->path();
  if (absl::Status status = LoadFunctions(*library, &nccl.functions_);
      !status.ok()) {
    return status;
  }
  if (nccl.functions_.get_version(&nccl.version_) != ncclSuccess) {
    return absl::InternalError(
        absl::StrCat(nccl.path_, ": ncclGetVersion failed"));
  }
  if (nccl.version_ >= kSinceConfig && !nccl.can_init_without_blocking()) {
    return library->Lacks("ncclCommInitRankConfig");
  }
  return nccl;
}

ncclResult_t NcclLibrary::InitRank(ncclComm_t* communicator, int members,
                                   ncclUniqueId id, int rank) const {
  if (!can_init_without_blocking()) {
    return functions_.init_rank(communicator, members, id, rank);
  }
  OldConfig config;
  return functions_.init_rank_config(communicator, members, id, rank,
                                     reinterpret_cast<ncclConfig_t*>(&config));
}

std::string NcclLibrary::LastError() const {
  if (functions_.get_last_error == nullptr) return "";
  const char* text = functions_.get_last_error(nullptr);
  return text != nullptr ? text : "";
}

std::string NcclLibrary::Explain(const char* what, ncclResult_t result) const {
  const char* name = functions_.get_error_string(result);
  std::string text = absl::StrCat(
      what, ": ", name != nullptr ? name : "unknown error", " (", result, ")");
  const std::string last = LastError();
  if (!last.empty()) absl::StrAppend(&text, ": ", last);
  return text;
}

}  // namespace muster::fabric
