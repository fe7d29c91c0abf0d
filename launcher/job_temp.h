// The temporary directory of one run on this node.
#ifndef MUSTER_LAUNCHER_JOB_TEMP_H_
#define MUSTER_LAUNCHER_JOB_TEMP_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "env/frameworks/placement.h"

namespace muster::launcher {

// Job: AZ_BATCHAI_JOB_TEMP, for the workers to write to, with the host file
// of the job in it.
// Life cycle: Make(); the directory goes with the object, and all that is in
// it. Where the agent is killed, its keeper removes it.
// Threads: none of its own; use from one thread at a time.
// Ownership: owns the directory; move-only; a moved-from object owns nothing.
class JobTemp {
 public:
  // A fresh directory below `base`, readable for this user only, whose name
  // begins with `prefix`.
  //
  // Errors: UNAVAILABLE, naming the path and the reason, when it can't be made
  // or written.
  static absl::StatusOr<JobTemp> Make(const std::string& base,
                                      const std::string& prefix,
                                      const std::vector<env::JobNode>& nodes);

  JobTemp(JobTemp&& other) noexcept;
  JobTemp& operator=(JobTemp&& other) noexcept;
  ~JobTemp();

  const std::string& path() const { return path_; }

 private:
  explicit JobTemp(std::string path) : path_(std::move(path)) {}
  void Remove();

  std::string path_;  // "" for nothing
};

// The host file in the directory at `job_temp`; "" where there is none.
std::string HostFileIn(const std::string& job_temp);

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_JOB_TEMP_H_
