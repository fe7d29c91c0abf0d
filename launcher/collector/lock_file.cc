#include "launcher/collector/lock_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "launcher/collector/disk.h"

namespace muster::collector {
namespace {

std::string Myself() {
  char host[256] = {};
  if (gethostname(host, sizeof host - 1) != 0) host[0] = '?';
  return absl::StrCat(getpid(), "\n", host, "\n");
}

// Of a lock file's lines.
std::string Owner(const Fd& file, absl::string_view shown) {
  const absl::StatusOr<std::string> text = ReadAll(file, shown);
  const std::vector<std::string> lines =
      absl::StrSplit(text.ok() ? *text : std::string(), '\n');
  if (lines.size() < 2 || lines[0].empty()) return "another process";
  return absl::StrCat("process ", ShowPath(lines[0]), " on ",
                      ShowPath(lines[1]));
}

}  // namespace

absl::StatusOr<Fd> LockFile(int directory, const std::string& name,
                            absl::string_view shown) {
  Fd file(openat(directory, name.c_str(),
                 O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.is_open()) return FileError(errno, "make a lock in", shown);
  while (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return FileError(errno, "lock", shown);
    return absl::AlreadyExistsError(
        absl::StrCat(Owner(file, shown), " uses ", ShowPath(shown)));
  }
  // Only words for people: a full disk is no obstacle.
  if (ftruncate(file.get(), 0) == 0) {
    WriteAll(file, Myself(), 0, shown).IgnoreError();
  }
  return file;
}

}  // namespace muster::collector
