#include "launcher/job_temp.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/frameworks/azure.h"
#include "launcher/log.h"

namespace muster::launcher {

absl::StatusOr<JobTemp> JobTemp::Make(const std::string& base,
                                      const std::string& prefix,
                                      const std::vector<env::JobNode>& nodes) {
  std::string name = absl::StrCat(base, "/", prefix, "-XXXXXX");
  if (mkdtemp(name.data()) == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("no temporary directory can be made in ", base, ": ",
                     strerror(errno), "; set TMPDIR to a writable directory"));
  }
  JobTemp temp(name);
  const std::string host_file = HostFileIn(temp.path());
  std::ofstream file(host_file);
  file << env::HostFileText(nodes) << std::flush;
  if (!file) {
    return absl::UnavailableError(
        absl::StrCat(host_file, " can't be written: ", strerror(errno),
                     "; set TMPDIR to a directory with room"));
  }
  return temp;
}

JobTemp::JobTemp(JobTemp&& other) noexcept
    : path_(std::exchange(other.path_, "")) {}

JobTemp& JobTemp::operator=(JobTemp&& other) noexcept {
  if (this != &other) {
    Remove();
    path_ = std::exchange(other.path_, "");
  }
  return *this;
}

JobTemp::~JobTemp() { Remove(); }

void JobTemp::Remove() {
  if (path_.empty()) return;
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  // The keeper removes it as well, maybe at this moment.
  if (error && error != std::errc::no_such_file_or_directory) {
    spdlog::warn("the temporary directory {} can't be removed: {}", path_,
                 error.message());
  }
}

std::string HostFileIn(const std::string& job_temp) {
  return job_temp.empty() ? "" : absl::StrCat(job_temp, "/hostfile");
}

}  // namespace muster::launcher
