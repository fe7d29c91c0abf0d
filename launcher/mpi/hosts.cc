#include "launcher/mpi/hosts.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace muster::mpi {
namespace {

// Whether mpirun can be given it: not what is its own machine everywhere, and
// not IPv6, whose colons it would take for the beginning of a slot count.
bool IsUsable(const std::string& address) {
  return !absl::StartsWith(address, "127.") && !absl::StrContains(address, ':');
}

std::string Reserved(uint32_t node) {
  return absl::StrCat("240.", node >> 16 & 255, ".", node >> 8 & 255, ".",
                      node & 255);
}

}  // namespace

std::vector<std::string> HostLabels(const std::vector<Peer>& peers) {
  std::vector<std::string> labels;
  std::set<std::string> used;
  for (uint32_t node = 0; node < peers.size(); ++node) {
    const std::string& address = peers[node].address();
    const bool own = IsUsable(address) && used.insert(address).second;
    if (node == 0) {
      // Only this one of 127/8 is local to mpirun.
      labels.push_back(own ? address : "127.0.0.1");
    } else {
      labels.push_back(own ? address : Reserved(node));
    }
  }
  return labels;
}

std::optional<uint32_t> FindNode(const std::vector<Peer>& peers,
                                 const std::string& host) {
  const std::vector<std::string> labels = HostLabels(peers);
  const auto label = std::find(labels.begin(), labels.end(), host);
  if (label != labels.end()) return label - labels.begin();
  std::optional<uint32_t> found;
  for (uint32_t node = 0; node < peers.size(); ++node) {
    if (host == absl::StrCat("node", node)) return node;
    if (peers[node].host_name() != host && peers[node].address() != host) {
      continue;
    }
    if (found) return std::nullopt;
    found = node;
  }
  return found;
}

}  // namespace muster::mpi
