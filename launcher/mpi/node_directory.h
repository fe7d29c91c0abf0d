// The directory in which Open MPI keeps its files on this node.
#ifndef MUSTER_LAUNCHER_MPI_NODE_DIRECTORY_H_
#define MUSTER_LAUNCHER_MPI_NODE_DIRECTORY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace muster::mpi {

// Job: a directory of this node's own, where files are kept in memory if there
// is room for them. Two nodes on one host must not share it.
// Life cycle: Make; destruction removes it with all that is in it.
class NodeDirectory {
 public:
  // `program` is this very executable, `ranks` how many of them keep files
  // here. Errors: Unavailable, when there is no place for it.
  static absl::StatusOr<std::unique_ptr<NodeDirectory>> Make(
      uint32_t ranks, const std::string& program);
  ~NodeDirectory();
  NodeDirectory(const NodeDirectory&) = delete;
  NodeDirectory& operator=(const NodeDirectory&) = delete;

  const std::string& path() const { return path_; }
  // A link to the program whose name has no space, which mpirun would split.
  std::string program() const { return path_ + "/muster"; }
  // What no other directory of this host has in its name.
  std::string unique_part() const { return path_.substr(path_.rfind('-') + 1); }

 private:
  explicit NodeDirectory(std::string path) : path_(std::move(path)) {}

  const std::string path_;
};

}  // namespace muster::mpi

#endif  // MUSTER_LAUNCHER_MPI_NODE_DIRECTORY_H_
