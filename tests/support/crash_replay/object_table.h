// Which file of a watched directory a call means.
#ifndef MUSTER_TESTS_SUPPORT_CRASH_REPLAY_OBJECT_TABLE_H_
#define MUSTER_TESTS_SUPPORT_CRASH_REPLAY_OBJECT_TABLE_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "tests/support/crash_replay/trace.h"

namespace muster::test {

// A name in a directory, as a call gives it.
struct PlaceOfName {
  std::string path;  // where this process finds it, through /proc
  std::string name;
  std::optional<ObjectId> directory;  // if that is one of ours
};

// Follows objects by their inode numbers, from their making until their last
// name is gone: what is done to them after that leaves no trace behind.
class ObjectTable {
 public:
  // Takes in what is there. Errors: Internal when it can't be read;
  // Unimplemented when it holds more than files and directories.
  absl::Status TakeIn(const std::string& directory, Trace* trace);

  std::optional<ObjectId> Find(const struct stat& status) const;
  std::optional<ObjectId> FindFd(pid_t thread, int fd) const;
  // A final symbolic link is not followed.
  std::optional<ObjectId> FindPath(const std::string& path) const;
  // Whether the descriptor is of the file system of the directory.
  bool IsOnSameDevice(pid_t thread, int fd) const;

  PlaceOfName Locate(pid_t thread, int directory_fd,
                     const std::string& path) const;

  void Add(const struct stat& status, ObjectId object);
  void Forget(const struct stat& status);

  // A short name for people.
  const std::string& NameOf(ObjectId object) const;
  void SetName(ObjectId object, const std::string& name);

 private:
  absl::Status TakeInOne(const std::string& path, const std::string& name,
                         Trace* trace);

  dev_t device_ = 0;
  std::map<ino_t, ObjectId> objects_;
  std::map<ObjectId, std::string> names_;
};

// /proc's path for a descriptor of another process.
std::string PathOfFd(pid_t thread, int fd);

// lstat(); nothing when there is nothing.
std::optional<struct stat> StatusOf(const std::string& path);

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_CRASH_REPLAY_OBJECT_TABLE_H_
