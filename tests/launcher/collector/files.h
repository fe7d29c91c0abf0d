// Files for tests.
#ifndef MUSTER_TESTS_LAUNCHER_COLLECTOR_FILES_H_
#define MUSTER_TESTS_LAUNCHER_COLLECTOR_FILES_H_

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

namespace muster::collector {

// A fresh directory, removed with all that is in it.
class TempDir {
 public:
  TempDir() {
    std::string name =
        (std::filesystem::temp_directory_path() / "muster-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const {
    return path_ + "/" + name;
  }

 private:
  std::string path_;
};

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file),
          std::istreambuf_iterator<char>()};
}

inline void WriteFile(const std::string& path, const std::string& bytes) {
  std::filesystem::create_directories(
      std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

// Everything below `path`: files with what they hold, directories as "/",
// links as "-> target".
inline std::map<std::string, std::string> Tree(const std::string& path) {
  std::map<std::string, std::string> tree;
  namespace fs = std::filesystem;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    const std::string name = entry.path().lexically_relative(path);
    if (entry.is_symlink()) {
      tree[name] = "-> " + fs::read_symlink(entry.path()).string();
    } else {
      tree[name] = entry.is_directory() ? "/" : ReadFile(entry.path());
    }
  }
  return tree;
}

// No file below `path` is a part file.
inline bool HasPartFile(const std::string& path) {
  for (const auto& [name, bytes] : Tree(path)) {
    if (name.find(".part-") != std::string::npos) return true;
  }
  return false;
}

}  // namespace muster::collector

#endif  // MUSTER_TESTS_LAUNCHER_COLLECTOR_FILES_H_
