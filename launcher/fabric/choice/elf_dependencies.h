// What an ELF file asks the loader for.
#ifndef MUSTER_LAUNCHER_FABRIC_CHOICE_ELF_DEPENDENCIES_H_
#define MUSTER_LAUNCHER_FABRIC_CHOICE_ELF_DEPENDENCIES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "env/variables.h"

namespace muster::fabric {

struct ElfDependencies {
  std::vector<std::string> needed;  // "libnccl.so.2"
  // Where it wants them looked for, "$ORIGIN" replaced by its own directory:
  // before LD_LIBRARY_PATH, which is not so where there is a runpath too, ...
  std::vector<std::string> rpath;
  std::vector<std::string> runpath;  // ... and after it
};

// The first bytes of an ELF file.
bool IsElf(absl::string_view head);

// Reads a program or a library, as much of it as is needed. Errors:
//   NotFound         it can't be read
//   InvalidArgument  it is no ELF file of 64 bits in this machine's byte order,
//                    or is damaged
absl::StatusOr<ElfDependencies> ReadElfDependencies(const std::string& path);

// A library as the loader finds it for that file.
struct FoundLibrary {
  std::string path;                // "": where the system keeps libraries
  bool from_library_path = false;  // LD_LIBRARY_PATH
};

// `name` of the file's needs. What is set for the files that load this one, and
// the subdirectories for newer processors, are not looked at.
FoundLibrary FindNeeded(const ElfDependencies& file, const std::string& name,
                        const env::Variables& variables);

// The same for a name that a program asks for while it runs.
FoundLibrary FindByLibraryPath(const std::string& name,
                               const env::Variables& variables);

}  // namespace muster::fabric

#endif  // MUSTER_LAUNCHER_FABRIC_CHOICE_ELF_DEPENDENCIES_H_
