#include "tests/support/files.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace muster::test {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void Die(const std::string& what, const std::string& path) {
  std::fprintf(stderr, "%s %s: %s\n", what.c_str(), path.c_str(),
               std::strerror(errno));
  std::abort();
}

}  // namespace

TempDir::TempDir() {
  path_ = (fs::temp_directory_path() / "muster-test-XXXXXX").string();
  if (mkdtemp(path_.data()) == nullptr) Die("cannot make", path_);
}

TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string TempDir::File(const std::string& name) const {
  return path_ + "/" + name;
}

std::string TempDir::Dir(const std::string& name) const {
  const std::string path = File(name);
  std::error_code error;
  fs::create_directories(path, error);
  if (error) {
    errno = error.value();
    Die("cannot make", path);
  }
  return path;
}

std::string ReadFile(const std::string& path) {
  // Not a stream: reading /proc fails when its process ends meanwhile.
  std::string bytes;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return bytes;
  char buffer[65536];
  for (;;) {
    const ssize_t size = read(fd, buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    bytes.append(buffer, static_cast<size_t>(size));
  }
  close(fd);
  return bytes;
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << bytes << std::flush;
  if (!out) Die("cannot write", path);
}

void WriteProgram(const std::string& path, const std::string& script) {
  WriteFile(path, "#!/bin/sh\n" + script + "\n");
  if (chmod(path.c_str(), 0755) != 0) Die("cannot chmod", path);
}

bool Exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

nlohmann::json ReadJson(const std::string& path) {
  nlohmann::json json = nlohmann::json::parse(ReadFile(path), nullptr,
                                              /*allow_exceptions=*/false);
  return json.is_discarded() ? nlohmann::json::object() : json;
}

std::vector<std::string> FilesBelow(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code ignored;
  // What goes while it is walked ends the walk, not the test.
  for (auto entry = fs::recursive_directory_iterator(directory, ignored);
       entry != fs::end(entry); entry.increment(ignored)) {
    if (entry->is_regular_file(ignored)) {
      // By name alone: the directory may be another process's, in /proc.
      files.push_back(entry->path().lexically_relative(directory).string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

uint16_t FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (fd < 0 || bind(fd, generic, size) != 0 ||
      getsockname(fd, generic, &size) != 0) {
    Die("cannot bind", "127.0.0.1:0");
  }
  close(fd);
  return ntohs(address.sin_port);
}

}  // namespace muster::test
