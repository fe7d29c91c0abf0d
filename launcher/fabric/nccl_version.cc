#include "launcher/fabric/nccl_version.h"

#include "absl/strings/str_cat.h"

namespace muster::fabric {

std::string NcclVersionText(uint32_t version) {
  if (version == 0) return "";
  // 2.9 and later count 10000 for the major version, earlier ones 1000.
  const uint32_t major = version >= 10000 ? 10000 : 1000;
  return absl::StrCat(version / major, ".", version % major / 100, ".",
                      version % 100);
}

}  // namespace muster::fabric
