#include "launcher/simulate/node_directory.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace muster::simulate {

namespace fs = std::filesystem;

absl::Status MakeNodeDirectory(const std::string& directory,
                               const std::string& source,
                               const std::set<std::string>& own) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) {
    return absl::InternalError(
        absl::StrCat(directory, " can't be made: ", error.message()));
  }
  fs::directory_iterator entries(source, error);
  if (error) {
    return absl::InternalError(
        absl::StrCat(source, " can't be read: ", error.message()));
  }
  for (const fs::directory_entry& entry : entries) {
    const fs::path name = entry.path().filename();
    if (own.contains(name.string())) continue;
    fs::create_symlink(entry.path(), directory / name, error);
    if (error) {
      return absl::InternalError(absl::StrCat(
          (directory / name).string(), " can't be made: ", error.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace muster::simulate
