#include "tests/support/crash_replay/object_table.h"

#include <fcntl.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "tests/support/files.h"

namespace muster::test {

std::string PathOfFd(pid_t thread, int fd) {
  return absl::StrCat("/proc/", thread, "/fd/", fd);
}

std::optional<struct stat> StatusOf(const std::string& path) {
  struct stat status = {};
  if (lstat(path.c_str(), &status) != 0) return std::nullopt;
  return status;
}

absl::Status ObjectTable::TakeIn(const std::string& directory, Trace* trace) {
  struct stat status = {};
  if (stat(directory.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
    return absl::InternalError(
        absl::StrCat("no directory to be watched: ", directory));
  }
  device_ = status.st_dev;
  return TakeInOne(directory, "", trace);
}

absl::Status ObjectTable::TakeInOne(const std::string& path,
                                    const std::string& name, Trace* trace) {
  struct stat status = {};
  if (lstat(path.c_str(), &status) != 0) {
    return absl::InternalError(absl::StrCat("cannot stat ", path));
  }
  const ObjectId id = trace->objects.size();
  trace->objects.push_back({.is_directory = S_ISDIR(status.st_mode),
                            .mode = status.st_mode & 07777});
  Add(status, id);
  SetName(id, name);
  if (S_ISREG(status.st_mode)) {
    trace->objects[id].content = ReadFile(path);
    return absl::OkStatus();
  }
  if (!S_ISDIR(status.st_mode)) {
    return absl::UnimplementedError(
        absl::StrCat(path, " is neither a file nor a directory"));
  }
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    const std::string child = entry.path().filename().string();
    trace->objects[id].entries[child] = trace->objects.size();
    absl::Status taken =
        TakeInOne(entry.path().string(),
                  name.empty() ? child : absl::StrCat(name, "/", child), trace);
    if (!taken.ok()) return taken;
  }
  if (error) return absl::InternalError(absl::StrCat("cannot list ", path));
  return absl::OkStatus();
}

std::optional<ObjectId> ObjectTable::Find(const struct stat& status) const {
  const auto found = objects_.find(status.st_ino);
  if (status.st_dev != device_ || found == objects_.end()) return std::nullopt;
  return found->second;
}

std::optional<ObjectId> ObjectTable::FindFd(pid_t thread, int fd) const {
  struct stat status = {};
  if (stat(PathOfFd(thread, fd).c_str(), &status) != 0) return std::nullopt;
  return Find(status);
}

std::optional<ObjectId> ObjectTable::FindPath(const std::string& path) const {
  struct stat status = {};
  if (lstat(path.c_str(), &status) != 0) return std::nullopt;
  return Find(status);
}

bool ObjectTable::IsOnSameDevice(pid_t thread, int fd) const {
  struct stat status = {};
  return stat(PathOfFd(thread, fd).c_str(), &status) == 0 &&
         status.st_dev == device_;
}

PlaceOfName ObjectTable::Locate(pid_t thread, int directory_fd,
                                const std::string& path) const {
  std::string base = absl::StrCat("/proc/", thread);
  if (!path.empty() && path[0] == '/') {
    absl::StrAppend(&base, "/root");
  } else if (directory_fd == AT_FDCWD) {
    absl::StrAppend(&base, "/cwd");
  } else {
    base = PathOfFd(thread, directory_fd);
  }
  PlaceOfName place;
  if (path.empty()) {  // AT_EMPTY_PATH
    place.path = base;
    return place;
  }
  std::string whole = absl::StrCat(base, "/", path);
  while (whole.back() == '/') whole.pop_back();
  const size_t slash = whole.rfind('/');
  place.path = whole;
  place.name = whole.substr(slash + 1);
  struct stat status = {};
  if (stat(whole.substr(0, slash + 1).c_str(), &status) == 0) {
    place.directory = Find(status);
  }
  return place;
}

void ObjectTable::Add(const struct stat& status, ObjectId object) {
  objects_[status.st_ino] = object;
}

void ObjectTable::Forget(const struct stat& status) {
  objects_.erase(status.st_ino);
}

const std::string& ObjectTable::NameOf(ObjectId object) const {
  static const std::string root = ".";
  const auto found = names_.find(object);
  return found == names_.end() || found->second.empty() ? root : found->second;
}

void ObjectTable::SetName(ObjectId object, const std::string& name) {
  names_[object] = name;
}

}  // namespace muster::test
