#include "launcher/fabric/choice/nccl_choice.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "launcher/fabric/choice/command_program.h"
#include "launcher/fabric/choice/elf_dependencies.h"
#include "launcher/fabric/choice/python_paths.h"

namespace muster::fabric {
namespace {

using Path = std::filesystem::path;

constexpr char kName[] = "libnccl.so.2";

bool Exists(const Path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

// Of LD_PRELOAD; "" for none.
std::string Preloaded(const env::Variables& variables) {
  const auto found = variables.find("LD_PRELOAD");
  if (found == variables.end()) return "";
  for (const absl::string_view entry :
       absl::StrSplit(found->second, absl::ByAnyChar(" :"))) {
    const Path path{std::string(entry)};
    if (absl::StartsWith(path.filename().string(), "libnccl.so")) {
      return path.string();
    }
  }
  return "";
}

// What the loader finds by the library's name.
NcclChoice OfLoader(const env::Variables& variables,
                    absl::string_view remark = "") {
  std::string file = FindByLibraryPath(kName, variables).path;
  const char* whose = file.empty() ? "the system's" : "LD_LIBRARY_PATH's";
  return {std::move(file), absl::StrCat(whose, remark)};
}

// The NCCL that an ELF file is linked with.
struct Linked {
  bool known = false;  // the file could be read
  std::string needed;  // "" : none
  FoundLibrary found;
};

Linked LookAt(const std::string& file, const env::Variables& variables) {
  const absl::StatusOr<ElfDependencies> elf = ReadElfDependencies(file);
  if (!elf.ok()) return {};
  const auto needed = std::find_if(
      elf->needed.begin(), elf->needed.end(), [](const std::string& name) {
        return absl::StartsWith(name, "libnccl.so");
      });
  if (needed == elf->needed.end()) return {true, "", {}};
  return {true, *needed, FindNeeded(*elf, *needed, variables)};
}

// Job: what one Python would load. Life cycle: made, Choose once. Threads: one.
class PythonSearch {
 public:
  PythonSearch(std::string interpreter, env::Variables variables)
      : interpreter_(std::move(interpreter)),
        variables_(std::move(variables)),
        paths_(PythonPaths(interpreter_, variables_)) {}

  // Nothing: it has none of its own.
  std::optional<NcclChoice> Choose() const {
    if (const std::string torch = FindTorch(); !torch.empty()) {
      const Linked linked = LookAt(torch, variables_);
      if (linked.known && linked.needed.empty()) {
        return OfLoader(variables_,
                        absl::StrCat("; the PyTorch of ", interpreter_,
                                     " has its own inside"));
      }
      if (linked.known) {
        if (linked.found.path.empty() || linked.found.from_library_path) {
          return OfLoader(variables_, absl::StrCat(", as the PyTorch of ",
                                                   interpreter_, " asks"));
        }
        return Own(linked.found.path);
      }
    }
    for (const std::string& path : paths_) {
      for (const char* directory : {"nvidia/nccl/lib", "torch/lib"}) {
        const Path file = Path(path) / directory / kName;
        if (Exists(file)) return Own(file.string());
      }
    }
    const Path prefix = Path(interpreter_).parent_path().parent_path();
    const Path of_conda = prefix / "lib" / kName;
    if (Exists(prefix / "conda-meta") && Exists(of_conda)) {
      return Own(of_conda.string());
    }
    return std::nullopt;
  }

 private:
  NcclChoice Own(std::string file) const {
    return {std::move(file),
            absl::StrCat(Path(interpreter_).filename().string(), "'s, ",
                         interpreter_)};
  }

  // The first PyTorch counts, as in an import. "" where it has no CUDA.
  std::string FindTorch() const {
    for (const std::string& path : paths_) {
      const Path torch = Path(path) / "torch";
      if (!Exists(torch / "__init__.py") && !Exists(torch / "lib")) continue;
      const Path library = torch / "lib/libtorch_cuda.so";
      return Exists(library) ? library.string() : "";
    }
    return "";
  }

  const std::string interpreter_;
  const env::Variables variables_;
  const std::vector<std::string> paths_;
};

NcclChoice OfBinary(const CommandProgram& program) {
  const Linked linked = LookAt(program.path, program.variables);
  if (linked.found.path.empty() || linked.found.from_library_path) {
    return OfLoader(program.variables);
  }
  return {linked.found.path,
          absl::StrCat(Path(program.path).filename().string(), "'s, ",
                       program.path)};
}

NcclChoice OfSystemPython(const NcclSearch& search) {
  for (const char* name : {"python3", "python"}) {
    const CommandProgram program =
        ProgramOf({name}, search.variables, search.directory);
    if (program.kind != CommandProgram::Kind::kPython) continue;
    std::optional<NcclChoice> choice =
        PythonSearch(program.path, program.variables).Choose();
    if (choice) return *std::move(choice);
  }
  return OfLoader(search.variables);
}

}  // namespace

NcclChoice ChooseNccl(const NcclSearch& search) {
  if (!search.nccl_library.empty()) return {search.nccl_library, kNcclOfFlag};
  const CommandProgram program =
      ProgramOf(search.command, search.variables, search.directory);
  const env::Variables& variables =
      program.kind == CommandProgram::Kind::kUnknown ? search.variables
                                                     : program.variables;
  if (std::string preloaded = Preloaded(variables); !preloaded.empty()) {
    return {std::move(preloaded), "LD_PRELOAD's"};
  }
  switch (program.kind) {
    case CommandProgram::Kind::kPython:
      return PythonSearch(program.path, variables)
          .Choose()
          .value_or(OfLoader(variables));
    case CommandProgram::Kind::kBinary:
      return OfBinary(program);
    case CommandProgram::Kind::kUnknown:
      break;
  }
  return OfSystemPython(search);
}

std::string NcclProblemText(const NcclChoice& choice,
                            const std::string& problem) {
  // What has nothing to do with the file needs no word on whose it is.
  if (choice.origin.empty() ||
      !absl::StrContains(problem, choice.file.empty() ? kName : choice.file)) {
    return problem;
  }
  if (choice.origin == kNcclOfFlag) {
    return absl::StrCat(problem, "; ", kNcclOfFlag, " named it");
  }
  return absl::StrCat(problem, "; it would be ", choice.origin,
                      ": install NCCL there, or name another by ", kNcclOfFlag);
}

}  // namespace muster::fabric
