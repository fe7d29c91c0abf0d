#ifndef MUSTER_TESTS_LAUNCHER_PROCESS_SUPPORT_H_
#define MUSTER_TESTS_LAUNCHER_PROCESS_SUPPORT_H_

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "asio/io_context.hpp"
#include "gtest/gtest.h"
#include "launcher/process/keeper_client.h"

namespace muster::process {

// For messages of GoogleTest.
inline void PrintTo(const ExitStatus& status, std::ostream* out) {
  *out << status.ToString();
}
inline void PrintTo(const Killed& killed, std::ostream* out) {
  *out << killed.pid << " (" << killed.name << ")"
       << (killed.gone ? "" : ", alive");
}

// No wait of a test is longer; only a failing test waits that long.
inline constexpr std::chrono::seconds kPatience{20};

// The next line of `fd`, without its end; what there was, at the end of file.
std::string ReadLine(int fd);
// Everything up to the end of file.
std::string ReadAll(int fd);

// Fails the test when there is no such process.
UniqueFd OpenPidfd(pid_t pid);
// Whether the process has ended by now, and whether it ends in time.
bool HasEnded(const UniqueFd& pidfd);
bool EndsInTime(const UniqueFd& pidfd);

// A field of /proc/<pid>/status, or "" when there is no such process.
std::string StatusField(pid_t pid, const std::string& field);

// The arguments of behaviours.cc, with its path before them.
std::vector<std::string> Behaviour(std::vector<std::string> arguments);

// A directory of the test's own, removed with all that is in it.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  const std::string& path() const { return path_; }
  // Writes a file, and returns its path.
  std::string Write(const std::string& name, const std::string& text,
                    mode_t mode);

 private:
  std::string path_;
};

// A loopback port that is bound and does not listen.
struct HeldPort {
  UniqueFd socket;
  int port = 0;
};
HeldPort HoldPort();
// 0, or why `port` cannot be bound.
int BindError(int port);

// An agent in small: a loop, a keeper and its client, and what was heard.
class Agent {
 public:
  struct Worker {
    pid_t pid = 0;
    UniqueFd out;
    UniqueFd err;
    std::optional<ExitStatus> status;
    std::optional<SpawnFailure> failure;
  };

  Agent();
  // Finishes, unless the keeper is lost, and reaps the keeper.
  ~Agent();

  // Runs the loop until `condition` holds; false when it does not in time.
  bool RunUntil(const std::function<bool()>& condition);

  // Asks for a worker and returns its id. Its environment is PATH alone.
  uint32_t Spawn(SpawnRequest request);
  uint32_t Spawn(std::vector<std::string> argv);
  // Also waits for its start; fails the test when it cannot be started.
  Worker& Start(SpawnRequest request);
  Worker& Start(std::vector<std::string> argv);
  // Waits for its end.
  ExitStatus End(Worker& worker);
  // Runs it to its end, and returns what it wrote to stdout.
  std::string Output(SpawnRequest request);
  // Waits for the failure of a start.
  SpawnFailure Failure(SpawnRequest request);
  // Sends Finish and waits for the report.
  std::vector<Killed> Finish();

  asio::io_context loop;
  std::unique_ptr<KeeperClient> client;
  pid_t keeper = 0;
  std::map<uint32_t, Worker> workers;
  std::optional<std::vector<Killed>> finished;
  std::optional<absl::Status> lost;
  std::function<void()> after_exit;

 private:
  uint32_t next_id_ = 1;
};

SpawnRequest Request(std::vector<std::string> argv);

}  // namespace muster::process

#endif  // MUSTER_TESTS_LAUNCHER_PROCESS_SUPPORT_H_
