// What the functions of this folder may look at.
#ifndef MUSTER_ENV_SCHEDULERS_INPUTS_H_
#define MUSTER_ENV_SCHEDULERS_INPUTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "env/variables.h"

namespace muster::env {

// The files of this node. Threads: any.
class FileReader {
 public:
  virtual ~FileReader() = default;

  // All of a file.
  //
  // Errors:
  //   NotFound            there is no such file.
  //   PermissionDenied    it cannot be read; the text says why.
  //   ResourceExhausted   it is larger than any file that is read here.
  virtual absl::StatusOr<std::string> Read(const std::string& path) const = 0;
  // Names in a directory, sorted; none where it is not there.
  virtual std::vector<std::string> List(const std::string& directory) const = 0;
};

// Who this node is, for finding it in a list of hosts.
struct NodeIdentity {
  // The surest first: what the user said, then what the system says.
  std::vector<std::string> names;
  // Numeric, the surest first.
  std::vector<std::string> addresses;
};

// What RANK and WORLD_SIZE count, as far as the user said so.
enum class EnvLevel { kUnsaid, kNode, kProcess };

// All must outlive the call that they are given to.
struct Inputs {
  const Variables& variables;
  const NodeIdentity& node;
  const FileReader& files;
  EnvLevel level = EnvLevel::kUnsaid;
};

}  // namespace muster::env

#endif  // MUSTER_ENV_SCHEDULERS_INPUTS_H_
