#ifndef MUSTER_TESTS_ENV_HARDWARE_TEMP_TREE_H_
#define MUSTER_TESTS_ENV_HARDWARE_TEMP_TREE_H_

#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

namespace muster::env {

// A directory of its own for one test, removed with everything in it when the
// object ends. Stands in for /, /proc or /sys.
class TempTree {
 public:
  TempTree() {
    std::string path =
        (std::filesystem::temp_directory_path() / "muster-tree-XXXXXX");
    if (mkdtemp(path.data()) == nullptr) {
      std::perror("mkdtemp");
      abort();
    }
    path_ = path;
  }
  TempTree(const TempTree&) = delete;
  TempTree& operator=(const TempTree&) = delete;
  ~TempTree() { std::filesystem::remove_all(path_); }

  const std::string& path() const { return path_; }

  // Writes the file and makes the directories above it. Returns its path.
  std::string Write(const std::string& name, const std::string& content) {
    const std::filesystem::path file = path_ + "/" + name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << content;
    return file;
  }

 private:
  std::string path_;
};

}  // namespace muster::env

#endif  // MUSTER_TESTS_ENV_HARDWARE_TEMP_TREE_H_
