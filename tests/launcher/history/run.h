// A directory of runs as a collector leaves it, for tests.
#ifndef MUSTER_TESTS_LAUNCHER_HISTORY_RUN_H_
#define MUSTER_TESTS_LAUNCHER_HISTORY_RUN_H_

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/files.h"

namespace muster::history {

// RUN_DIR with the run "run" in it.
class TestRun {
 public:
  TestRun() { Write("run.json", "{\"run_id\": \"run\"}"); }

  const std::string& run_dir() const { return run_dir_.path(); }
  std::string Path(const std::string& path) const {
    return absl::StrCat(run_dir(), "/run/", path);
  }
  void Write(const std::string& path, const std::string& bytes) const {
    MakeParent(path);
    test::WriteFile(Path(path), bytes);
  }
  void Append(const std::string& path, const std::string& bytes) const {
    MakeParent(path);
    std::ofstream(Path(path), std::ios::app | std::ios::binary) << bytes;
  }
  // As the collector publishes it.
  void Publish(const std::string& path, const std::string& bytes) const {
    Write(".part-1", bytes);
    std::filesystem::rename(Path(".part-1"), Path(path));
  }

 private:
  void MakeParent(const std::string& path) const {
    std::filesystem::create_directories(
        std::filesystem::path(Path(path)).parent_path());
  }

  const test::TempDir run_dir_;
};

}  // namespace muster::history

#endif  // MUSTER_TESTS_LAUNCHER_HISTORY_RUN_H_
