#include "env/frameworks/open_mpi.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace muster::env {
namespace {

// Ranks, wherever they are found.
constexpr absl::string_view kRanks[] = {"MV2_COMM_WORLD_", "OMPI_COMM_WORLD_",
                                        "PMI_RANK", "PMI_SIZE"};

// Set by Open MPI 4 and its successors beside the ranks. Some of them could be
// a setting as well, so they count only beside PMIX_RANK.
constexpr absl::string_view kLaunched[] = {
    "OMPI_APP_CTX_NUM_PROCS", "OMPI_COMMAND",
    "OMPI_FILE_LOCATION",     "OMPI_FIRST_RANKS",
    "OMPI_MCA_ess",           "OMPI_MCA_orte_",
    "OMPI_MCA_pmix",          "OMPI_NUM_APP_CTX",
    "OMPI_UNIVERSE_SIZE",     "PMIX_",
    "PRTE_MCA_prte_ess",
};
constexpr char kPmixSetting[] = "PMIX_MCA_";

template <size_t n>
bool BeginsWithOneOf(absl::string_view name,
                     const absl::string_view (&prefixes)[n]) {
  return std::any_of(std::begin(prefixes), std::end(prefixes),
                     [name](absl::string_view prefix) {
                       return absl::StartsWith(name, prefix);
                     });
}

}  // namespace

Variables OpenMpiNames(const Placement& placement) {
  return {
      {"OMPI_COMM_WORLD_LOCAL_RANK", absl::StrCat(placement.local_rank)},
      {"OMPI_COMM_WORLD_LOCAL_SIZE", absl::StrCat(placement.local_world_size)},
      {"OMPI_COMM_WORLD_NODE_RANK", absl::StrCat(placement.local_rank)},
      {"OMPI_COMM_WORLD_RANK", absl::StrCat(placement.rank)},
      {"OMPI_COMM_WORLD_SIZE", absl::StrCat(placement.world_size)},
  };
}

void EraseMpiProcess(Variables* inherited) {
  const bool launched = inherited->count("PMIX_RANK") > 0;
  for (auto it = inherited->begin(); it != inherited->end();) {
    const bool erase = BeginsWithOneOf(it->first, kRanks) ||
                       (launched && BeginsWithOneOf(it->first, kLaunched) &&
                        !absl::StartsWith(it->first, kPmixSetting));
    it = erase ? inherited->erase(it) : std::next(it);
  }
}

}  // namespace muster::env
