#ifndef MUSTER_LAUNCHER_PROCESS_SPAWN_H_
#define MUSTER_LAUNCHER_PROCESS_SPAWN_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <variant>

#include "absl/strings/string_view.h"
#include "launcher/process/spawn_failure.h"
#include "launcher/process/spawn_request.h"
#include "launcher/process/unique_fd.h"

namespace muster::process {

// A process between its fork and its exec.
struct Child {
  pid_t pid = 0;
  std::string program;
  std::string working_directory;
  UniqueFd stdout_fd;  // read ends
  UniqueFd stderr_fd;
  UniqueFd stdin_fd;  // write end; only where it was asked for
  // Polls readable when the exec has succeeded or failed: see FinishSpawn.
  UniqueFd result_fd;
};

// What the search for a program found: a path to execute, or why there is
// none.
struct Program {
  std::string path;
  int error = 0;  // 0, ENOENT, or EACCES for a file that may not be executed
};

// Looks for `name` in the directories of `path`, relative ones below
// `directory_fd` (or AT_FDCWD), as execvp would. A name with a slash is its
// own answer.
Program FindProgram(const std::string& name, absl::string_view path,
                    int directory_fd);

// Forks a child that becomes request.argv. The child leads a process group of
// its own, dies with the calling thread, and starts with default signals, no
// descriptor but stdin (/dev/null or a pipe), stdout and stderr, and the limits
// of the caller. held_fds stay the caller's, who closes its copies at once;
// they must be close-on-exec.
//
// For a single-threaded process whose descriptors 0 to 2 are open. Does not
// wait for the exec.
std::variant<Child, SpawnFailure> StartChild(const SpawnRequest& request);

// Reads the end of the start from child->result_fd, and blocks until there is
// one. nullopt: the program runs, or the child was killed on its way. After a
// failure the child has still to be reaped; it exits by itself.
std::optional<SpawnFailure> FinishSpawn(Child* child);

}  // namespace muster::process

#endif  // MUSTER_LAUNCHER_PROCESS_SPAWN_H_
