// The agent's files on this node: directories that flags name, and what is
// there only while the job runs.
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/frameworks/pytorch.h"
#include "launcher/agent.h"
#include "launcher/directories.h"
#include "launcher/exit_codes.h"
#include "launcher/job_temp.h"
#include "launcher/log.h"
#include "launcher/worker_plan.h"

namespace muster::launcher {

void Agent::LookAtDirectories() {
  absl::Status usable = PrepareDirectories(spec_);
  if (usable.ok() && spec_.collect()) {
    absl::StatusOr<std::string> spool = PrepareSpoolDirectory(
        spec_.spool_dir().empty()
            ? ""
            : AbsolutePath(spec_.spool_dir(), std::filesystem::current_path()));
    usable = spool.status();
    if (spool.ok()) spec_.set_spool_dir(*std::move(spool));
  }
  if (!usable.ok()) {
    node_->problem = std::string(usable.message());
    node_->problem_exit_code = kUsage;
  }
}

void Agent::MakeFiles(const Assignment& assignment) {
  if (assignment.node_rank() == 0) {
    init_file_ = env::InitFile(spec_.agreement().init_method(),
                               assignment.run_id(), assignment.attempt());
  }
  if (spec_.agreement().framework() == FRAMEWORK_PLAIN) return;
  const auto base = inherited_.find("TMPDIR");
  absl::StatusOr<JobTemp> made = JobTemp::Make(
      base == inherited_.end() || base->second.empty()
          ? "/tmp"
          : AbsolutePath(base->second, std::filesystem::current_path()),
      absl::StrCat("muster-", assignment.run_id(), "-node",
                   assignment.node_rank()),
      NodesOf(assignment));
  if (made.ok()) {
    job_temp_ = *std::move(made);
    workers_->RemoveAtEnd(job_temp_->path());
  } else {
    // Few scripts ask for it: no reason to fail.
    spdlog::warn("{}; the workers go without AZ_BATCHAI_JOB_TEMP",
                 std::string(made.status().message()));
  }
}

// Called when no worker of any node needs them any more.
void Agent::RemoveFiles() {
  job_temp_.reset();
  // PyTorch removes it only after a good end, and a directory that many jobs
  // share would fill up.
  if (!init_file_.empty()) unlink(init_file_.c_str());
}

}  // namespace muster::launcher
