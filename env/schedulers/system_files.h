// The files that the functions of this folder look at, as they are on this
// machine: the only input and output here.
#ifndef MUSTER_ENV_SCHEDULERS_SYSTEM_FILES_H_
#define MUSTER_ENV_SCHEDULERS_SYSTEM_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "env/schedulers/inputs.h"

namespace muster::env {

// The files of the machine, up to 1 MiB each. Errors: as FileReader says.
class SystemFiles : public FileReader {
 public:
  absl::StatusOr<std::string> Read(const std::string& path) const override;
  std::vector<std::string> List(const std::string& directory) const override;
};

}  // namespace muster::env

#endif  // MUSTER_ENV_SCHEDULERS_SYSTEM_FILES_H_
