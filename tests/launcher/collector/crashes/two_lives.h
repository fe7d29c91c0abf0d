// What programs that are recorded and killed have in common.
#ifndef MUSTER_TESTS_LAUNCHER_COLLECTOR_CRASHES_TWO_LIVES_H_
#define MUSTER_TESTS_LAUNCHER_COLLECTOR_CRASHES_TWO_LIVES_H_

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace muster::collector {

// A promise, or how far it is: whoever records it sees it at this moment.
inline void Say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

// Runs live(1) and then live(2), each in a process of its own. The first may be
// killed; the exit code of the program.
template <typename Live>
int LiveTwice(Live live) {
  Say("born");
  for (const int life : {1, 2}) {
    const pid_t child = fork();
    if (child == 0) {
      live(life);
      std::exit(0);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child) return 1;
    const bool is_good = WIFEXITED(status)
                             ? WEXITSTATUS(status) == 0
                             : life == 1 && WTERMSIG(status) == SIGKILL;
    if (!is_good) return 1;
  }
  return 0;
}

}  // namespace muster::collector

#endif  // MUSTER_TESTS_LAUNCHER_COLLECTOR_CRASHES_TWO_LIVES_H_
