#include "launcher/fabric/choice/python_paths.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace muster::fabric {
namespace {

using Path = std::filesystem::path;

// pyvenv.cfg has a handful of lines.
constexpr int kMostLines = 200;

std::string Find(const env::Variables& variables, const std::string& name) {
  const auto found = variables.find(name);
  return found == variables.end() ? "" : found->second;
}

bool IsDirectory(const Path& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

Path Resolve(const Path& path) {
  std::error_code error;
  const Path resolved = std::filesystem::canonical(path, error);
  return error ? path : resolved;
}

// Keys in lower case.
using Settings = std::map<std::string, std::string>;

std::optional<Settings> ReadSettings(const Path& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  Settings settings;
  std::string line;
  for (int i = 0; i < kMostLines && std::getline(file, line); ++i) {
    const std::vector<absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits('=', 1));
    if (parts.size() != 2) continue;
    settings.emplace(
        absl::AsciiStrToLower(absl::StripAsciiWhitespace(parts[0])),
        absl::StripAsciiWhitespace(parts[1]));
  }
  return settings;
}

struct VirtualEnvironment {
  Path prefix;
  Settings settings;

  std::string Get(const std::string& key) const {
    const auto found = settings.find(key);
    return found == settings.end() ? "" : found->second;
  }
  bool sees_the_system() const {
    return absl::EqualsIgnoreCase(Get("include-system-site-packages"), "true");
  }
};

// Python looks beside itself and one directory up.
std::optional<VirtualEnvironment> FindVirtualEnvironment(
    const Path& interpreter) {
  for (const Path& prefix :
       {interpreter.parent_path(), interpreter.parent_path().parent_path()}) {
    std::optional<Settings> settings = ReadSettings(prefix / "pyvenv.cfg");
    if (settings) return VirtualEnvironment{prefix, *std::move(settings)};
  }
  return std::nullopt;
}

// "3.11" of "python3.11", "3.13t" of a Python without the global lock; ""
// where the name does not tell.
std::string VersionOfName(const Path& program) {
  const std::string name = program.filename().string();
  absl::string_view version = name;
  if (!absl::ConsumePrefix(&version, "python")) return "";
  return absl::StrContains(version, '.') ? std::string(version) : "";
}

// "3.11" of "3.11.7" and of "3.11.7.final.0".
std::string VersionOf(const std::optional<VirtualEnvironment>& environment) {
  if (!environment) return "";
  std::string version = environment->Get("version");
  if (version.empty()) version = environment->Get("version_info");
  const std::vector<std::string> parts = absl::StrSplit(version, '.');
  return parts.size() < 2 ? "" : absl::StrCat(parts[0], ".", parts[1]);
}

// "python3.11", or all there are where the version is not known.
std::vector<std::string> LibraryNames(const Path& prefix,
                                      const std::string& version) {
  if (!version.empty()) return {absl::StrCat("python", version)};
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator at(prefix / "lib", error), end;
  for (; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (absl::StartsWith(name, "python3.")) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// What is not there is left out.
class Paths {
 public:
  void Add(const Path& path) {
    if (IsDirectory(path) && known_.insert(Resolve(path)).second) {
      paths_.push_back(path.string());
    }
  }

  void AddPrefix(const Path& prefix, const std::string& version) {
    for (const std::string& name : LibraryNames(prefix, version)) {
      Add(prefix / "lib" / name / "site-packages");
      Add(prefix / "lib64" / name / "site-packages");  // Fedora's
      // Debian's, of its own Python.
      Add(prefix / "local/lib" / name / "dist-packages");
      Add(prefix / "lib/python3/dist-packages");
      Add(prefix / "lib" / name / "dist-packages");
    }
  }

  void AddUser(const env::Variables& variables, const std::string& version) {
    if (!Find(variables, "PYTHONNOUSERSITE").empty()) return;
    Path base = Find(variables, "PYTHONUSERBASE");
    if (base.empty() && !Find(variables, "HOME").empty()) {
      base = Path(Find(variables, "HOME")) / ".local";
    }
    if (base.empty()) return;
    for (const std::string& name : LibraryNames(base, version)) {
      Add(base / "lib" / name / "site-packages");
    }
  }

  std::vector<std::string> Take() { return std::move(paths_); }

 private:
  std::vector<std::string> paths_;
  std::set<Path> known_;
};

}  // namespace

std::vector<std::string> PythonPaths(const std::string& interpreter,
                                     const env::Variables& variables) {
  const Path called(interpreter);
  const Path real = Resolve(called);
  const std::optional<VirtualEnvironment> environment =
      FindVirtualEnvironment(called);
  std::string version = VersionOfName(real);
  if (version.empty()) version = VersionOfName(called);
  if (version.empty()) version = VersionOf(environment);

  Paths paths;
  const std::string own = Find(variables, "PYTHONPATH");
  for (const absl::string_view path :
       absl::StrSplit(own, ':', absl::SkipEmpty())) {
    paths.Add(Path(std::string(path)));
  }
  if (environment) {
    if (environment->sees_the_system()) paths.AddUser(variables, version);
    paths.AddPrefix(environment->prefix, version);
    if (!environment->sees_the_system()) return paths.Take();
    // A Python that was copied does not lead to where it came from.
    const std::string home = environment->Get("home");
    paths.AddPrefix(home.empty() ? real.parent_path().parent_path()
                                 : Resolve(home).parent_path(),
                    version);
    return paths.Take();
  }
  paths.AddUser(variables, version);
  const std::string home = Find(variables, "PYTHONHOME");
  paths.AddPrefix(home.empty() ? real.parent_path().parent_path() : Path(home),
                  version);
  return paths.Take();
}

}  // namespace muster::fabric
