// The proof that a node is the one that it says it is.
#ifndef MUSTER_LAUNCHER_COLLECTOR_NODE_KEY_H_
#define MUSTER_LAUNCHER_COLLECTOR_NODE_KEY_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace muster::collector {

// Of a run's key, which the coordinator makes, and of a node's.
constexpr size_t kKeyBytes = 32;

// What a node's key stands for: who has it may write as this node, and for
// these ranks only.
struct NodePlace {
  uint32_t node_rank = 0;
  uint32_t attempt = 0;
  uint32_t first_rank = 0;
  uint32_t workers = 0;
  uint32_t world_size = 0;
};

// A fresh run key. Any thread. "" when the system's random source fails.
std::string MakeRunKey();

// The key of the node at this place; see Introduction.key in
// proto/collector.proto. Pure. "" when OpenSSL fails.
std::string NodeKey(absl::string_view run_key, const NodePlace& place);

// Whether two secrets are the same, in a time that tells nothing of where they
// differ. An empty one is equal to nothing.
bool SameSecret(absl::string_view a, absl::string_view b);

}  // namespace muster::collector

#endif  // MUSTER_LAUNCHER_COLLECTOR_NODE_KEY_H_
