// What runs on this machine, read from /proc.
#ifndef MUSTER_TESTS_SUPPORT_PROCESSES_H_
#define MUSTER_TESTS_SUPPORT_PROCESSES_H_

#include <sys/types.h>

#include <ostream>
#include <string>
#include <vector>

namespace muster::test {

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  std::string name;                  // /proc/PID/comm
  std::vector<std::string> command;  // argv
  std::vector<std::string> environment;
};
std::ostream& operator<<(std::ostream& out, const Process& process);

// Every live process (no zombies) that was started with `variable`
// ("NAME=VALUE") in its environment, in this PID namespace and those below.
// Children inherit it, whatever session or group they moved to, so an empty
// answer says that nothing of the family is left.
std::vector<Process> ProcessesWithEnv(const std::string& variable);

// Sends SIGKILL until ProcessesWithEnv(variable) is empty.
void KillAllWithEnv(const std::string& variable);

}  // namespace muster::test

#endif  // MUSTER_TESTS_SUPPORT_PROCESSES_H_
