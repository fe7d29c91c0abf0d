#include "rendezvous/node_addresses.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace muster::rendezvous {
namespace {

// As many as people read.
constexpr size_t kShown = 8;

// The bytes of those that are of one family, each with its text, in order.
std::vector<std::pair<std::string, std::string>> OfFamily(
    int family, size_t bytes, const std::vector<std::string>& addresses) {
  std::vector<std::pair<std::string, std::string>> found;
  for (const std::string& address : addresses) {
    std::string key(bytes, '\0');
    if (inet_pton(family, address.c_str(), key.data()) == 1) {
      found.emplace_back(key, address);
    }
  }
  // std::string compares bytes without sign.
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> NodeAddresses(
    const std::vector<std::string>& addresses, uint32_t nodes) {
  auto found = OfFamily(AF_INET, sizeof(in_addr), addresses);
  if (found.empty()) found = OfFamily(AF_INET6, sizeof(in6_addr), addresses);
  std::vector<std::string> sorted;
  sorted.reserve(found.size());
  for (auto& [key, address] : found) sorted.push_back(std::move(address));
  if (sorted.size() == nodes) return sorted;

  const size_t shown = std::min(sorted.size(), kShown);
  const std::string list =
      absl::StrCat(absl::StrJoin(sorted.begin(), sorted.begin() + shown, ", "),
                   shown < sorted.size() ? ", ..." : "");
  if (sorted.size() < nodes) {
    return absl::UnavailableError(absl::StrCat(sorted.size(), " of ", nodes,
                                               " addresses are there",
                                               list.empty() ? "" : ": ", list));
  }
  return absl::UnavailableError(absl::StrCat(
      sorted.size(), " addresses for the ", nodes, " nodes of --nnodes: ", list,
      " (nodes of an earlier job, or a wrong --nnodes?)"));
}

}  // namespace muster::rendezvous
