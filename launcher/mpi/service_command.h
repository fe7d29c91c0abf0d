// One process beside the workers, its streams as frames.
#ifndef MUSTER_LAUNCHER_MPI_SERVICE_COMMAND_H_
#define MUSTER_LAUNCHER_MPI_SERVICE_COMMAND_H_

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "asio/io_context.hpp"
#include "asio/posix/stream_descriptor.hpp"
#include "asio/steady_timer.hpp"
#include "launcher/mpi/services.h"
#include "launcher/streams/pipe_reader.h"
#include "launcher/streams/tail.h"
#include "proto/remote.pb.h"

namespace muster::mpi {

// Job: starts a command that another node asked for, or mpirun itself, carries
// its streams, and tells its end.
// Life cycle: construct, Start once; on_reply brings an end exactly once, which
// is the last call. May be destroyed at any time before or inside that call;
// the process is then the keeper's alone.
// Threads: the loop's only; callbacks come there, never inside a call.
// Ownership: the loop must outlive this.
// Bounds: kRemoteWindow of input and of output; with a full window the
// pipes are not read, and the command waits.
class ServiceCommand {
 public:
  struct Callbacks {
    std::function<void(RemoteReply)> on_reply;
    // The process itself has ended, or could not be started (pid 0).
    std::function<void(pid_t pid, process::ExitStatus status,
                       const std::string& stderr_tail)>
        on_exited;
  };

  ServiceCommand(asio::io_context& loop, const ServiceKeeper& keeper,
                 uint32_t id, Callbacks callbacks);
  ~ServiceCommand();

  void Start(process::SpawnRequest request);
  // Anything but a start.
  void Handle(const RemoteRequest& request);

 private:
  void Spawned(pid_t pid, process::ProcessPipes pipes);
  void NotSpawned(const process::SpawnFailure& failure);
  void Exited(process::ExitStatus status);
  std::unique_ptr<streams::PipeReader> Read(bool is_stderr, int fd);
  void GotOutput(bool is_stderr, absl::string_view bytes);
  void OutputEnded();
  void AwaitDrain();
  void Abandon();
  void WriteInput();
  void InputTaken();
  void Credit(size_t bytes);
  void MaybeEnd();

  asio::io_context& loop_;
  const ServiceKeeper keeper_;
  const uint32_t id_;
  const Callbacks callbacks_;
  streams::ReadBuffer buffer_;
  streams::StderrTail tail_;
  asio::posix::stream_descriptor input_;
  asio::steady_timer drain_;
  pid_t pid_ = 0;
  std::deque<std::string> pending_input_;  // by frame; the first is written
  size_t written_ = 0;                     // of the first one
  bool input_ends_ = false;
  bool input_broken_ = false;
  bool writing_ = false;
  std::unique_ptr<streams::PipeReader> out_;
  std::unique_ptr<streams::PipeReader> err_;
  int open_pipes_ = 0;
  size_t unacknowledged_ = 0;
  bool paused_ = false;
  std::optional<int> early_signal_;  // came before the process was there
  std::optional<process::ExitStatus> status_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace muster::mpi

#endif  // MUSTER_LAUNCHER_MPI_SERVICE_COMMAND_H_
