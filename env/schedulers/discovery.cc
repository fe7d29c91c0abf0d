#include "env/schedulers/discovery.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"

namespace muster::env {
namespace {

// Enough for a host list that people read; lists of thousands are cut.
constexpr size_t kShownBytes = 160;

template <typename T>
void Add(const std::optional<Fact<T>>& fact, std::vector<Evidence>* all) {
  if (!fact) return;
  for (const Evidence& evidence : fact->evidence) {
    if (std::find(all->begin(), all->end(), evidence) == all->end()) {
      all->push_back(evidence);
    }
  }
}

}  // namespace

std::string Evidence::Text() const {
  if (value.empty()) return name;
  if (value.size() <= kShownBytes) return absl::StrCat(name, "=", value);
  return absl::StrCat(name, "=", value.substr(0, kShownBytes), "... (",
                      value.size(), " bytes)");
}

std::vector<Evidence> Discovery::Deciding() const {
  std::vector<Evidence> all;
  Add(nodes, &all);
  Add(node_rank, &all);
  Add(rendezvous_host, &all);
  Add(rendezvous_port, &all);
  return all;
}

std::string CountText(const NodeCount& nodes) {
  return nodes.min == nodes.max ? absl::StrCat(nodes.max)
                                : absl::StrCat(nodes.min, " to ", nodes.max);
}

}  // namespace muster::env
