// The working directory of a simulated node.
#ifndef MUSTER_LAUNCHER_SIMULATE_NODE_DIRECTORY_H_
#define MUSTER_LAUNCHER_SIMULATE_NODE_DIRECTORY_H_

#include <set>
#include <string>

#include "absl/status/status.h"

namespace muster::simulate {

// Makes `directory` (and its parents) with a link to every entry of `source`,
// an absolute path, but those in `own`, which each node has for itself.
// Errors: Internal, naming the path.
absl::Status MakeNodeDirectory(const std::string& directory,
                               const std::string& source,
                               const std::set<std::string>& own);

}  // namespace muster::simulate

#endif  // MUSTER_LAUNCHER_SIMULATE_NODE_DIRECTORY_H_
