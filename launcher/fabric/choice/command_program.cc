#include "launcher/fabric/choice/command_program.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "launcher/fabric/choice/elf_dependencies.h"

namespace muster::fabric {
namespace {

using Path = std::filesystem::path;
using Strings = std::vector<std::string>;
using Kind = CommandProgram::Kind;

// Enough for a script of a script, and an end for those that name themselves.
constexpr int kDeepest = 8;
constexpr size_t kHead = 4096;

// What execvp takes when there is no PATH.
constexpr char kDefaultPath[] = "/bin:/usr/bin";

// They run the first of their words that is a program.
constexpr std::array kRunners = {"chrt",   "ionice",  "ncu",     "nice",
                                 "nohup",  "nsys",    "numactl", "setsid",
                                 "stdbuf", "taskset", "time",    "timeout"};

constexpr std::array kShells = {"ash", "bash", "csh",  "dash", "fish",
                                "ksh", "sh",   "tcsh", "zsh"};

template <size_t size>
bool Contains(const std::array<const char*, size>& names,
              absl::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string Find(const env::Variables& variables, const std::string& name,
                 const std::string& otherwise) {
  const auto found = variables.find(name);
  return found == variables.end() ? otherwise : found->second;
}

// "python", "python3", "python3.11", "pypy3".
bool IsPythonName(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, "python") &&
      !absl::ConsumePrefix(&name, "pypy")) {
    return false;
  }
  return std::all_of(name.begin(), name.end(), [](unsigned char letter) {
    return absl::ascii_isdigit(letter) || letter == '.' || letter == 't';
  });
}

bool IsProgram(const Path& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error) &&
         access(path.c_str(), X_OK) == 0;
}

std::string ReadHead(const Path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string head(kHead, '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return head;
}

std::string FirstLine(const Path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return std::string(absl::StripAsciiWhitespace(line));
}

// NAME=VALUE
bool IsAssignment(absl::string_view word) {
  const size_t equals = word.find('=');
  return equals != absl::string_view::npos && equals > 0 &&
         std::all_of(word.begin(), word.begin() + equals,
                     [](unsigned char letter) {
                       return absl::ascii_isalnum(letter) || letter == '_';
                     });
}

// Job: one command line. Life cycle: made, Run once. Threads: one.
class Search {
 public:
  Search(env::Variables variables, std::string directory)
      : directory_(std::move(directory)) {
    found_.variables = std::move(variables);
  }

  CommandProgram Run(const Strings& command) && {
    Follow(command, 0);
    return std::move(found_);
  }

 private:
  // The path of a program as execvp finds it; nothing where it does not.
  std::optional<Path> FindProgram(const std::string& name) const {
    if (name.empty()) return std::nullopt;
    if (absl::StrContains(name, '/')) {
      Path path = directory_ / name;
      if (IsProgram(path)) return path;
      return std::nullopt;
    }
    const std::string list = Find(found_.variables, "PATH", kDefaultPath);
    for (const absl::string_view entry : absl::StrSplit(list, ':')) {
      Path path = directory_ / Path(std::string(entry)) / name;
      if (IsProgram(path)) return path;
    }
    return std::nullopt;
  }

  void Follow(const Strings& words, int depth) {
    if (words.empty() || depth > kDeepest) return;
    const std::optional<Path> program = FindProgram(words[0]);
    if (!program) return;
    const std::string name = program->filename().string();
    const Strings rest(words.begin() + 1, words.end());
    if (name == "env") return FollowEnv(rest, depth);
    if (Contains(kRunners, name)) return FollowRunner(rest, depth);
    if (Contains(kShells, name)) return;
    const std::string head = ReadHead(*program);
    if (absl::StartsWith(head, "#!")) {
      FollowScript(*program, head, depth);
      return;
    }
    if (!IsElf(head)) return;
    found_.kind = IsPythonName(name) ? Kind::kPython : Kind::kBinary;
    found_.path = program->lexically_normal().string();
  }

  // [-i] [-u NAME] [-C DIR] [-S "WORDS"] [NAME=VALUE]... COMMAND...
  void FollowEnv(Strings words, int depth) {
    for (size_t i = 0; i < words.size(); ++i) {
      absl::string_view word = words[i];
      if (word == "-u" || word == "--unset" || word == "-C" ||
          word == "--chdir") {
        if (i + 1 < words.size() && absl::StrContains(word, 'u')) {
          found_.variables.erase(words[i + 1]);
        }
        ++i;
      } else if (absl::ConsumePrefix(&word, "-S") ||
                 absl::ConsumePrefix(&word, "--split-string=")) {
        const Strings split = absl::StrSplit(
            word.empty() && i + 1 < words.size() ? words[i + 1] : word,
            absl::ByAnyChar(" \t"), absl::SkipEmpty());
        const auto next = words.begin() + static_cast<std::ptrdiff_t>(i) + 1;
        words.insert(
            word.empty() && next != words.end() ? words.erase(next) : next,
            split.begin(), split.end());
      } else if (word == "-i" || word == "-" ||
                 word == "--ignore-environment") {
        found_.variables.clear();
      } else if (IsAssignment(word)) {
        const size_t equals = word.find('=');
        found_.variables[std::string(word.substr(0, equals))] =
            std::string(word.substr(equals + 1));
      } else if (!absl::StartsWith(word, "-")) {
        Follow({words.begin() + static_cast<std::ptrdiff_t>(i), words.end()},
               depth + 1);
        return;
      }
    }
  }

  void FollowRunner(const Strings& words, int depth) {
    for (size_t i = 0; i < words.size(); ++i) {
      if (absl::StartsWith(words[i], "-") || !FindProgram(words[i])) continue;
      Follow({words.begin() + static_cast<std::ptrdiff_t>(i), words.end()},
             depth + 1);
      return;
    }
  }

  void FollowScript(const Path& script, const std::string& head, int depth) {
    const std::vector<absl::string_view> lines =
        absl::StrSplit(head, absl::MaxSplits('\n', 2));
    Strings words = absl::StrSplit(lines[0].substr(2), absl::ByAnyChar(" \t\r"),
                                   absl::SkipEmpty());
    if (words.empty()) return;
    const bool shell =
        std::any_of(words.begin(), words.end(), [](const Path& word) {
          return Contains(kShells, word.filename().string());
        });
    if (!shell) return Follow(words, depth + 1);
    // Installers write so where "#!" does not take the path: too long, or with
    // spaces. To the shell it is an exec, to Python a string.
    absl::string_view line = lines.size() > 1 ? lines[1] : "";
    if (absl::ConsumePrefix(&line, "'''exec' ")) {
      const char end = absl::ConsumePrefix(&line, "\"") ? '"' : ' ';
      Follow({std::string(line.substr(0, line.find(end)))}, depth + 1);
      return;
    }
    FollowShim(script, depth);
  }

  // pyenv's programs are scripts in ROOT/shims, which run those of one version
  // in ROOT/versions.
  void FollowShim(const Path& script, int depth) {
    const Path root = script.parent_path().parent_path();
    if (script.parent_path().filename() != "shims") return;
    std::string version = Find(found_.variables, "PYENV_VERSION", "");
    for (Path at = directory_; version.empty(); at = at.parent_path()) {
      version = FirstLine(at / ".python-version");
      if (at == at.parent_path()) break;
    }
    if (version.empty()) version = FirstLine(root / "version");
    version = version.substr(0, version.find(':'));
    if (version.empty()) return;
    Follow({(root / "versions" / version / "bin" / script.filename()).string()},
           depth + 1);
  }

  const Path directory_;
  CommandProgram found_;
};

}  // namespace

CommandProgram ProgramOf(const std::vector<std::string>& command,
                         const env::Variables& variables,
                         const std::string& directory) {
  return Search(variables, directory).Run(command);
}

}  // namespace muster::fabric
