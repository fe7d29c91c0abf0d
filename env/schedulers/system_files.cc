#include "env/schedulers/system_files.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace muster::env {
namespace {

constexpr size_t kMaxBytes = 1 << 20;

}  // namespace

absl::StatusOr<std::string> SystemFiles::Read(const std::string& path) const {
  std::error_code error;
  // Opening a pipe would wait for its other end.
  const auto kind = std::filesystem::status(path, error).type();
  if (kind == std::filesystem::file_type::not_found) {
    return absl::NotFoundError(absl::StrCat(path, ": there is no such file"));
  }
  if (kind != std::filesystem::file_type::regular) {
    return absl::PermissionDeniedError(absl::StrCat(
        path, ": ", error ? error.message() : "it is no ordinary file"));
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file && !file.eof()) {
    return absl::PermissionDeniedError(
        absl::StrCat(path, ": cannot be read: ", std::strerror(errno)));
  }
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path, ": is larger than 1 MiB"));
  }
  return text;
}

std::vector<std::string> SystemFiles::List(const std::string& directory) const {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end;
       !error && entry != end; entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace muster::env
