#ifndef MUSTER_LAUNCHER_PROCESS_SPAWN_REQUEST_H_
#define MUSTER_LAUNCHER_PROCESS_SPAWN_REQUEST_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace muster::process {

// What to start. Ids are the agent's to choose; one is in use from the Spawn
// to the report of its exit or of its failure.
struct SpawnRequest {
  uint32_t id = 0;

  // argv[0] without a slash is looked up in the PATH of `env`.
  std::vector<std::string> argv;

  // The whole environment; nothing is inherited.
  std::vector<std::pair<std::string, std::string>> env;

  // Empty: the directory in which the keeper was forked.
  std::string working_directory;

  // Sockets that keep the worker's ports taken until it can bind them itself:
  // every copy is closed by the worker's exec, not earlier and not later.
  // KeeperClient::Spawn takes ownership. At most kMaxFrameFds (wire.h).
  std::vector<int> held_fds;

  // Serves the workers and is none itself, as mpirun and its daemons do: Stop
  // and SignalAll leave it alone; it ends by itself, by Signal or by Finish.
  bool service = false;

  // The start's report then has the write end of its standard input, which is
  // /dev/null otherwise.
  bool piped_stdin = false;

  // The processors that it may use: a cpu_set_t of any size. Empty: all that
  // the keeper may use.
  std::string processors;
};

}  // namespace muster::process

#endif  // MUSTER_LAUNCHER_PROCESS_SPAWN_REQUEST_H_
