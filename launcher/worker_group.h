// The workers of this node: started, read, stopped, and nothing left of them.
#ifndef MUSTER_LAUNCHER_WORKER_GROUP_H_
#define MUSTER_LAUNCHER_WORKER_GROUP_H_

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "launcher/process/keeper.h"
#include "launcher/process/keeper_client.h"
#include "launcher/streams/pipe_reader.h"
#include "launcher/streams/tail.h"
#include "launcher/worker_plan.h"
#include "proto/collector.pb.h"
#include "proto/rendezvous.pb.h"

namespace muster::launcher {

// All are called on the loop. For one worker: on_started, then on_exited; or
// on_not_started alone. Its output ends before on_gone, maybe after on_exited.
struct WorkerGroupCallbacks {
  std::function<void(const WorkerStarted&)> on_started;
  std::function<void(const WorkerExited&)> on_exited;
  std::function<void(const WorkerNotStarted&)> on_not_started;
  std::function<void(uint32_t rank, bool is_stderr, absl::string_view bytes)>
      on_output;
  std::function<void(uint32_t rank, bool is_stderr, StreamEnd how)>
      on_output_end;
  // Every worker has ended: time for Finish().
  std::function<void()> on_ended;
  // Every worker has ended, nothing they started is left, and all that they
  // wrote has been handed over. `killed` is what had to be ended for that.
  std::function<void(const std::vector<process::Killed>& killed)> on_gone;
  // The keeper died and the workers with it. on_gone follows.
  std::function<void(const std::string& why)> on_keeper_lost;
};

// Job: one attempt's workers on this node, by way of the keeper.
// Life cycle: construct (before there is anything to start, so that the keeper
// is watched), Start once, or Expect once and StartWorker for each; await
// on_ended, Finish, await on_gone. Destruction lets the keeper end what is
// left. Threads: the loop's only; callbacks come there, never inside a call.
// Ownership: the loop must outlive this; owns the keeper's socket.
//
// A pipe ends when its last writer closes it. A writer that is no descendant of
// a worker may outlive all of them; it is waited for kDrainTime at most.
class WorkerGroup {
 public:
  static constexpr std::chrono::seconds kDrainTime{5};

  WorkerGroup(asio::io_context& loop, process::KeeperHandle keeper,
              std::chrono::milliseconds grace, WorkerGroupCallbacks callbacks);

  // `held_port` stays bound until the exec of the first worker (-1 for none),
  // task_ports[i], where there are any, until that of plans[i].
  void Start(std::vector<WorkerPlan> plans, int held_port,
             const std::vector<int>& task_ports = {});

  // The same for workers that are started one by one, when somebody asks for
  // them: first their ranks, then each plan with the ports that stay bound
  // until its exec.
  void Expect(uint32_t first_rank, uint32_t count);
  void StartWorker(WorkerPlan plan, std::vector<int> held_ports);
  // Those that nobody has asked for yet will not be started: each becomes an
  // on_not_started with this message, inside the call.
  void Forgo(const std::string& why);

  // Ends whatever the workers and services have left behind; on_gone follows.
  void Finish();

  // Processes beside the workers, which Stop and SignalAll leave alone.
  void StartService(process::SpawnRequest request,
                    process::ProcessCallbacks callbacks);
  void SignalService(uint32_t id, int signo);

  // SIGTERM, and SIGKILL after the grace. Called again it can only be sooner.
  void Stop(std::chrono::milliseconds grace);
  void SignalAll(int signo);

  // While paused, nothing is read and writers wait when their pipes are full.
  void PauseOutput(bool paused);

  // A directory that the keeper removes when everything has ended, also when
  // this process is killed.
  void RemoveAtEnd(const std::string& directory);

  // Lets the keeper go, which ends whatever it still has, and waits for that.
  // Nothing may be called after it.
  void Close();

  // On each SIGCHLD: ends zombies that fell to this process.
  void ReapStrays();

  // Waits no longer for pipes that others hold.
  void Hurry();

  // Started and not yet gone.
  bool active() const { return started_ && !gone_; }
  // Started, and every worker has ended.
  bool ended() const { return started_ && left_ == 0; }

 private:
  struct Output {
    std::unique_ptr<streams::PipeReader> reader;  // null: it never ran
    bool ended = true;
  };
  struct Worker {
    Output out;
    Output err;
    streams::StderrTail tail;
    int64_t pid = 0;
    bool asked = false;  // the keeper was asked to start it
    bool ended = false;
  };

  void Spawned(uint32_t rank, pid_t pid, int stdout_fd, int stderr_fd);
  void Exited(uint32_t rank, pid_t pid, process::ExitStatus status);
  void Ended(uint32_t rank);
  void KeeperLost(const std::string& why);
  void Gone(const std::vector<process::Killed>& killed);
  void Read(uint32_t rank, bool is_stderr, int fd);
  void OutputEnded(uint32_t rank, bool is_stderr);
  template <typename Function>  // takes (rank, Output&)
  void ForEachOpenOutput(Function function);
  // Calls on_gone once every pipe has ended.
  void AwaitOutput();
  void AbandonOutput();

  asio::io_context& loop_;
  const WorkerGroupCallbacks callbacks_;
  streams::ReadBuffer buffer_;
  std::map<uint32_t, Worker> workers_;  // by global rank
  size_t left_ = 0;
  bool started_ = false;
  bool gone_ = false;  // no process is left
  bool paused_ = false;
  std::optional<std::vector<process::Killed>> killed_;  // until on_gone
  StreamEnd pipe_end_ = STREAM_END_CLOSED;  // how a pipe that ends now ends
  asio::steady_timer drain_;
  const pid_t keeper_pid_;
  std::optional<process::KeeperClient> keeper_;
};

}  // namespace muster::launcher

#endif  // MUSTER_LAUNCHER_WORKER_GROUP_H_
