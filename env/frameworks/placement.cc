#include "env/frameworks/placement.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace muster::env {

std::string AddressWithPort(absl::string_view address, uint32_t port) {
  const bool is_v6 = absl::StrContains(address, ':');
  return absl::StrCat(is_v6 ? "[" : "", address, is_v6 ? "]" : "", ":",
                      PortText(port));
}

std::string PortText(uint32_t port) {
  return port == 0 ? "<port>" : absl::StrCat(port);
}

}  // namespace muster::env
