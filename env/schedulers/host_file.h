// A file that lists the hosts of a job, as people write it for mpirun.
#ifndef MUSTER_ENV_SCHEDULERS_HOST_FILE_H_
#define MUSTER_ENV_SCHEDULERS_HOST_FILE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "env/schedulers/discovery.h"
#include "env/schedulers/inputs.h"

namespace muster::env {

// One host in each line; "HOST slots=N" and "HOST:N" are read and the number
// is left alone; what follows a # is a comment.
//
// Errors:
//   InvalidArgument  a line that is none of these, a host named twice, no host
//                    or more than 65536; the text names the line.
absl::StatusOr<std::vector<std::string>> ParseHostFile(absl::string_view text);

// The job of the file at `path`: the first host is where the nodes meet. Which
// of them this node is is left to SetOwnPlace().
//
// Errors:
//   InvalidArgument  those of ParseHostFile(), or the file cannot be read. The
//                    text names the path.
absl::StatusOr<Discovery> ReadHostFile(const std::string& path,
                                       const FileReader& files);

}  // namespace muster::env

#endif  // MUSTER_ENV_SCHEDULERS_HOST_FILE_H_
