#ifndef MUSTER_LAUNCHER_PROCESS_KEEPER_CLIENT_H_
#define MUSTER_LAUNCHER_PROCESS_KEEPER_CLIENT_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "asio/io_context.hpp"
#include "asio/posix/stream_descriptor.hpp"
#include "launcher/process/descendants.h"
#include "launcher/process/exit_status.h"
#include "launcher/process/keeper.h"
#include "launcher/process/messages.h"
#include "launcher/process/spawn_failure.h"
#include "launcher/process/spawn_request.h"
#include "launcher/process/wire.h"

namespace muster::process {

// The pipes of a process that was started: write end, read end, read end.
// Whoever gets them owns them.
struct ProcessPipes {
  int stdin_fd = -1;  // only where it was asked for
  int stdout_fd = -1;
  int stderr_fd = -1;
};

// Of one process; see KeeperCallbacks.
struct ProcessCallbacks {
  absl::AnyInvocable<void(pid_t pid, ProcessPipes pipes)> on_spawned;
  absl::AnyInvocable<void(const SpawnFailure& failure)> on_spawn_failed;
  absl::AnyInvocable<void(ExitStatus status)> on_exited;
};

// What the keeper tells. Each runs on the loop, never inside a call of the
// client, and may destroy the client. For one worker the order is on_spawned,
// on_exited, or on_spawn_failed alone.
struct KeeperCallbacks {
  // The program runs. The callback owns the read ends of its output, which
  // outlive on_exited where children of the worker hold them.
  absl::AnyInvocable<void(uint32_t id, pid_t pid, int stdout_fd, int stderr_fd)>
      on_spawned;
  absl::AnyInvocable<void(uint32_t id, const SpawnFailure& failure)>
      on_spawn_failed;
  absl::AnyInvocable<void(uint32_t id, pid_t pid, ExitStatus status)> on_exited;
  // What Finish had to end, without the workers, whose ends are exits.
  absl::AnyInvocable<void(std::vector<Killed> killed)> on_finished;
  // The keeper is dead and reaped, and with it every worker; nothing else
  // will be called. Unavailable: how it died. What workers had started is the
  // agent's now: see KillDescendants.
  absl::AnyInvocable<void(absl::Status why)> on_lost;
};

// The agent's side of the keeper: starts, signals and stops workers through
// it, and hears of their ends.
//
// Life cycle: construct with a keeper's handle; call Finish and await
// on_finished before the end of a run. The destructor closes the socket,
// which makes the keeper stop what is left (with the orphan grace) and exit.
// Threads: the loop's only; `loop` must outlive the client. No call blocks:
// what the socket does not take at once is queued.
class KeeperClient {
 public:
  KeeperClient(asio::io_context& loop, KeeperHandle keeper,
               KeeperCallbacks callbacks);
  ~KeeperClient();
  KeeperClient(const KeeperClient&) = delete;
  KeeperClient& operator=(const KeeperClient&) = delete;

  // Starts a worker; on_spawned or on_spawn_failed follows. Refused while a
  // Stop or a Finish is under way, and for an id in use. Takes over held_fds
  // and closes them as soon as they are sent.
  void Spawn(SpawnRequest request);
  // The same for a process of which the caller alone wants to hear: what
  // happens to it goes to `callbacks`.
  void Spawn(SpawnRequest request, ProcessCallbacks callbacks);

  // Sends `signo` to the process group of the worker, or of all workers;
  // nothing happens when it has ended.
  void Signal(uint32_t id, int signo);
  void SignalAll(int signo);

  // SIGTERM to all workers' groups, SIGKILL to those that are left after
  // `grace`; zero kills at once. A later call can only shorten the grace.
  void Stop(absl::Duration grace);

  // Ends every process that descends from the keeper, daemons and running
  // workers too: SIGTERM, two seconds, SIGKILL. on_finished follows, and then
  // workers can be started again.
  void Finish();

  // How long workers have to end when the agent dies. 30 s if never set.
  void SetOrphanGrace(absl::Duration grace);

  // A directory that goes, with all that is in it, when the keeper does: after
  // the last process, however this process ends.
  void RemoveAtEnd(const std::string& directory);

  pid_t keeper_pid() const { return pid_; }

 private:
  void Send(Frame frame);
  void Flush();
  void AwaitMessages();
  void ReadMessages();
  absl::Status Dispatch(Frame frame);
  void Refuse(const SpawnRequest& request, int error);
  void Failed(uint32_t id, const SpawnFailure& failure);
  void Spawned(SpawnedMessage message);
  void Exited(const ExitedMessage& message);
  void Lose(absl::Status why);
  // Runs `action` from the loop, unless the client is destroyed by then.
  void Post(absl::AnyInvocable<void()> action);

  asio::io_context& loop_;
  const pid_t pid_;
  asio::posix::stream_descriptor socket_;
  KeeperCallbacks callbacks_;
  std::map<uint32_t, ProcessCallbacks>
      processes_;  // by id; those with their own
  FrameReader reader_;
  FrameWriter writer_;
  bool write_waiting_ = false;
  bool lost_ = false;
  // Handlers on the loop hold a weak pointer to it.
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace muster::process

#endif  // MUSTER_LAUNCHER_PROCESS_KEEPER_CLIENT_H_
