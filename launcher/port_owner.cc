#include "launcher/port_owner.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "launcher/text.h"

namespace muster::launcher {
namespace {

namespace fs = std::filesystem;

// "socket:[123]" for the sockets that listen on the port, from one table of
// /proc/net: number, local, remote, state, ... and the inode as tenth.
void AddListeners(const std::string& table, uint32_t port,
                  std::set<std::string>* sockets) {
  constexpr int kInode = 9;
  std::ifstream file(table);
  std::string line;
  std::getline(file, line);  // the titles
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string word;
    std::string local;
    std::string state;
    std::string inode;
    for (int i = 0; words >> word; ++i) {
      if (i == 1) local = word;
      if (i == 3) state = word;
      if (i == kInode) inode = word;
    }
    uint32_t local_port = 0;
    const size_t colon = local.rfind(':');
    if (colon != std::string::npos && state == "0A" &&
        absl::SimpleHexAtoi(local.substr(colon + 1), &local_port) &&
        local_port == port) {
      sockets->insert(absl::StrCat("socket:[", inode, "]"));
    }
  }
}

bool HoldsOneOf(const fs::path& process, const std::set<std::string>& sockets) {
  std::error_code error;
  for (fs::directory_iterator fd(process / "fd", error), end;
       !error && fd != end; fd.increment(error)) {
    std::error_code gone;
    if (sockets.count(fs::read_symlink(fd->path(), gone).string()) != 0) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string PortOwner(uint32_t port) {
  std::set<std::string> sockets;
  AddListeners("/proc/net/tcp", port, &sockets);
  AddListeners("/proc/net/tcp6", port, &sockets);
  if (sockets.empty()) return "";
  std::error_code error;
  for (fs::directory_iterator process("/proc", error), end;
       !error && process != end; process.increment(error)) {
    const std::string pid = process->path().filename().string();
    if (!std::all_of(pid.begin(), pid.end(), absl::ascii_isdigit) ||
        !HoldsOneOf(process->path(), sockets)) {
      continue;
    }
    std::ifstream file(process->path() / "comm");
    std::string name;
    std::getline(file, name);
    return absl::StrCat("process ", pid, " (", Printable(name), ")");
  }
  return "";
}

}  // namespace muster::launcher
