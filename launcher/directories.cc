#include "launcher/directories.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "launcher/text.h"

namespace muster::launcher {
namespace {

// "" if `path` is a directory that allows `mode`, else what is wrong.
std::string Problem(const std::string& path, int mode) {
  struct stat found;
  if (stat(path.c_str(), &found) != 0) return strerror(errno);
  if (!S_ISDIR(found.st_mode)) return "not a directory";
  if (access(path.c_str(), mode | X_OK) != 0) return strerror(errno);
  return "";
}

// Makes the directory if it is missing; "" or what is wrong.
std::string ProblemOfOutput(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    std::filesystem::create_directories(path, error);
    if (error) return absl::StrCat("can't be made: ", error.message());
  }
  return Problem(path, W_OK);
}

// Makes the directory if it is missing; "" or what is wrong.
std::string ProblemOfSpool(const std::string& path) {
  std::error_code error;
  const std::filesystem::path parent =
      std::filesystem::path(path).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::StrCat("can't be made: ", strerror(errno));
  }
  return Problem(path, W_OK);
}

}  // namespace

std::string AbsolutePath(const std::string& path, const std::string& current) {
  const std::filesystem::path whole = std::filesystem::path(current) / path;
  std::filesystem::path result = "/";
  for (const std::filesystem::path& part : whole.relative_path()) {
    if (!part.empty() && part != ".") result /= part;
  }
  return result.string();
}

void MakeDirectoriesAbsolute(const std::string& current, JobSpec* spec) {
  if (!spec->shared_dir().empty()) {
    spec->set_shared_dir(AbsolutePath(spec->shared_dir(), current));
  }
  for (auto* aliases : {spec->mutable_inputs(), spec->mutable_outputs()}) {
    for (Variable& alias : *aliases) {
      alias.set_value(AbsolutePath(alias.value(), current));
    }
  }
}

absl::Status PrepareDirectories(const JobSpec& spec) {
  std::vector<std::string> mistakes;
  const auto add = [&mistakes](const std::string& flag,
                               const std::string& problem,
                               const char* what_to_do) {
    if (problem.empty()) return;
    mistakes.push_back(
        absl::StrCat(Printable(flag), ": ", problem, "; ", what_to_do));
  };
  if (!spec.shared_dir().empty()) {
    add(absl::StrCat("--shared-dir ", spec.shared_dir()),
        Problem(spec.shared_dir(), W_OK),
        "give a writable directory that all nodes share");
  }
  for (const Variable& input : spec.inputs()) {
    add(absl::StrCat("--input ", input.name(), "=", input.value()),
        Problem(input.value(), R_OK),
        "give a directory that can be read on every node");
  }
  for (const Variable& output : spec.outputs()) {
    add(absl::StrCat("--output ", output.name(), "=", output.value()),
        ProblemOfOutput(output.value()),
        "give a directory that can be made and written on every node");
  }
  if (mistakes.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(mistakes, "; "));
}

absl::StatusOr<std::string> PrepareSpoolDirectory(
    const std::string& spool_dir) {
  std::vector<std::string> candidates = {spool_dir};
  if (spool_dir.empty()) {
    candidates.clear();
    for (const char* base : {"/var/tmp", "/tmp", "/dev/shm"}) {
      candidates.push_back(absl::StrCat(base, "/muster-spool-", getuid()));
    }
  }
  std::string problem;
  for (const std::string& path : candidates) {
    const std::string why = ProblemOfSpool(path);
    if (why.empty()) return path;
    if (problem.empty()) {
      problem = absl::StrCat("--spool-dir ", path, ": ", why);
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat(problem, "; give a directory that can be made and written"));
}

}  // namespace muster::launcher
