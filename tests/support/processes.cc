#include "tests/support/processes.h"

#include <signal.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <sstream>
#include <system_error>

#include "tests/support/eventually.h"
#include "tests/support/files.h"

namespace muster::test {
namespace {

std::vector<std::string> SplitAtNul(const std::string& bytes) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < bytes.size();) {
    const size_t end = std::min(bytes.find('\0', begin), bytes.size());
    parts.push_back(bytes.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// False when the process has ended.
bool ReadStat(const std::string& directory, Process* process) {
  const std::string stat = ReadFile(directory + "/stat");
  const size_t open = stat.find('(');
  const size_t close = stat.rfind(')');  // the name may hold any character
  if (open == std::string::npos || close == std::string::npos) return false;
  process->name = stat.substr(open + 1, close - open - 1);
  std::istringstream rest(stat.substr(close + 1));
  char state = 'X';
  rest >> state >> process->parent;
  return state != 'Z' && state != 'X';
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Process& process) {
  out << process.pid << " (" << process.name << ", parent " << process.parent
      << ")";
  for (const std::string& argument : process.command) out << ' ' << argument;
  return out;
}

std::vector<Process> ProcessesWithEnv(const std::string& variable) {
  std::vector<Process> found;
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename().string();
    Process process;
    const auto [end, error] =
        std::from_chars(name.data(), name.data() + name.size(), process.pid);
    if (error != std::errc() || *end != '\0') continue;
    const std::string directory = entry.path().string();
    process.environment = SplitAtNul(ReadFile(directory + "/environ"));
    if (std::find(process.environment.begin(), process.environment.end(),
                  variable) == process.environment.end()) {
      continue;
    }
    process.command = SplitAtNul(ReadFile(directory + "/cmdline"));
    if (ReadStat(directory, &process)) found.push_back(std::move(process));
  }
  return found;
}

void KillAllWithEnv(const std::string& variable) {
  Eventually([&] {
    const std::vector<Process> alive = ProcessesWithEnv(variable);
    for (const Process& process : alive) kill(process.pid, SIGKILL);
    return alive.empty();
  });
}

}  // namespace muster::test
