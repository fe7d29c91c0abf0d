#include "launcher/files/walk.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace muster::files {
namespace {

// The longest of "logs/" and "outputs/", which is a component as well.
constexpr size_t kPrefixBytes = 8;
constexpr size_t kPrefixDepth = 1;

}  // namespace

size_t Depth(const std::string& path) {
  return 1 + static_cast<size_t>(std::count(path.begin(), path.end(), '/'));
}

Walk::Walk(int root, const std::string& directory, Callbacks callbacks)
    : callbacks_(std::move(callbacks)) {
  int error = 0;
  process::UniqueFd fd = OpenDirectory(root, directory, &error);
  if (fd.valid()) {
    Enter(std::move(fd), directory.empty() ? "" : directory + "/");
  } else if (error != ENOENT) {
    callbacks_.on_skip(directory, strerror(error));
  }
}

void Walk::Enter(process::UniqueFd fd, std::string path) {
  const std::string name = path.substr(0, path.empty() ? 0 : path.size() - 1);
  struct stat found;
  if (fstat(fd.get(), &found) != 0) {
    return callbacks_.on_skip(name, strerror(errno));
  }
  for (const Level& level : levels_) {
    if (level.device == found.st_dev && level.inode == found.st_ino) {
      return callbacks_.on_skip(name, "a directory within itself");
    }
  }
  DIR* const directory = fdopendir(fd.get());
  if (directory == nullptr) return callbacks_.on_skip(name, strerror(errno));
  static_cast<void>(fd.Release());
  levels_.push_back({.directory = {directory, CloseDirectory()},
                     .path = std::move(path),
                     .device = found.st_dev,
                     .inode = found.st_ino});
  if (callbacks_.on_directory) callbacks_.on_directory(name);
}

std::optional<Walk::Entry> Walk::Next() {
  while (!levels_.empty()) {
    errno = 0;
    const dirent* const entry = readdir(levels_.back().directory.get());
    if (entry == nullptr) {
      if (errno != 0) callbacks_.on_skip(levels_.back().path, strerror(errno));
      levels_.pop_back();
      continue;
    }
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (std::optional<Entry> found = Look(name)) return found;
  }
  return std::nullopt;
}

std::optional<Walk::Entry> Walk::Look(const std::string& name) {
  const int directory = dirfd(levels_.back().directory.get());
  Entry entry{.path = levels_.back().path + name, .stat = {}};
  const auto skip = [&](const std::string& reason) {
    callbacks_.on_skip(entry.path, reason);
    return std::optional<Entry>();
  };
  if (Depth(entry.path) + kPrefixDepth > kMaxPathDepth) {
    return skip("over 64 directories deep");
  }
  if (entry.path.size() + kPrefixBytes > kMaxPathBytes) {
    return skip("a path over 4095 bytes");
  }
  if (fstatat(directory, name.c_str(), &entry.stat, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return std::nullopt;  // gone meanwhile
    return skip(strerror(errno));
  }
  if (S_ISREG(entry.stat.st_mode)) return entry;
  if (!S_ISDIR(entry.stat.st_mode)) return skip(KindOf(entry.stat.st_mode));
  process::UniqueFd fd(
      openat(directory, name.c_str(),
             O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) return skip(strerror(errno));
  Enter(std::move(fd), entry.path + "/");
  return std::nullopt;
}

}  // namespace muster::files
