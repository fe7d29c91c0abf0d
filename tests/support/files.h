// Files, directories and ports as tests need them. A failure here is a broken
// machine, not a finding: these functions abort with the path and the reason.
#ifndef MUSTER_TESTS_SUPPORT_FILES_H_
#define MUSTER_TESTS_SUPPORT_FILES_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace muster::test {

// A fresh directory, removed with all that is in it when the object goes.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // path() + "/" + name
  std::string File(const std::string& name) const;
  // The same, made as a directory.
  std::string Dir(const std::string& name) const;

 private:
  std::string path_;
};

// "" when there is no such file; what could be read when it goes meanwhile.
std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& bytes);
// An executable script of /bin/sh.
void WriteProgram(const std::string& path, const std::string& script);
bool Exists(const std::string& path);

// {} when the file is missing or is not JSON, so that a test fails on the field
// it looks at.
nlohmann::json ReadJson(const std::string& path);

// Every regular file below `directory`, relative to it, sorted.
std::vector<std::string> FilesBelow(const std::string& directory);

// Lines without their ends; a last line without a newline counts.
std::vector<std::string> Lines(const std::string& text);

// A TCP port of the loopback interface that nobody listened on just now.
uint16_t FreePort();

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_FILES_H_
