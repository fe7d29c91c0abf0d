// Which program a command line really runs.
#ifndef MUSTER_LAUNCHER_FABRIC_CHOICE_COMMAND_PROGRAM_H_
#define MUSTER_LAUNCHER_FABRIC_CHOICE_COMMAND_PROGRAM_H_

#include <string>
#include <vector>

#include "env/variables.h"

namespace muster::fabric {

struct CommandProgram {
  enum class Kind {
    kUnknown,  // a shell's text, or nothing that can be found
    kPython,
    kBinary,  // another ELF program
  };
  Kind kind = Kind::kUnknown;
  // The interpreter's or the program's path as it is called, links not
  // followed.
  std::string path;
  // Those given, and what the command sets itself by env(1).
  env::Variables variables;
};

// Looks at files as execvp would, and runs nothing. Sees through `env`, through
// programs that run what stands behind their flags (numactl, nice, nsys, ...),
// and through the "#!" of scripts, such as torchrun's. A Python is known by its
// name. `directory` is absolute: where the command runs.
CommandProgram ProgramOf(const std::vector<std::string>& command,
                         const env::Variables& variables,
                         const std::string& directory);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_CHOICE_COMMAND_PROGRAM_H_
