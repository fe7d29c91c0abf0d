#ifndef MUSTER_LAUNCHER_PROCESS_SPAWN_FAILURE_H_
#define MUSTER_LAUNCHER_PROCESS_SPAWN_FAILURE_H_

#include <cstdint>
#include <string>

namespace muster::process {

// Where the start of a worker ended.
enum class SpawnStep : uint32_t {
  kRequest = 1,       // the request itself, or its way to the keeper
  kWorkingDirectory,  // entering it
  kFind,              // looking for the program
  kPipes,             // making the pipes
  kFork,              // making the process
  kSetup,             // signals, descriptors and parent of the new process
  kExec,              // running the program that was found
};
inline constexpr SpawnStep kLastSpawnStep = SpawnStep::kExec;

// Why a worker could not be started. A value; never an exit code of the
// worker, which did not run.
struct SpawnFailure {
  SpawnStep step = SpawnStep::kRequest;
  int error = 0;  // errno

  // The program as asked for, or as found.
  std::string program;

  // kWorkingDirectory: the directory. kFind: the PATH that was searched, or
  // empty. kExec: the first bytes of the file, up to the end of its line.
  std::string detail;

  // As a shell: 127 when the program was not found, else 126.
  int ExitCode() const;

  // One line: the file, the step, the system's reason and what to do.
  std::string Message() const;
};

}  // namespace muster::process

#endif  // MUSTER_LAUNCHER_PROCESS_SPAWN_FAILURE_H_
