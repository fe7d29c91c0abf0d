#include "launcher/process/keeper_client.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/post.hpp"
#include "launcher/process/messages.h"
#include "launcher/process/stop_sequence.h"

namespace muster::process {
namespace {

// How long a killed keeper is waited for. It needs microseconds.
constexpr int kReapMilliseconds = 1000;

std::chrono::milliseconds WireGrace(absl::Duration grace) {
  return std::clamp(absl::ToChronoMilliseconds(grace),
                    std::chrono::milliseconds::zero(), StopSequence::kMaxGrace);
}

// Makes sure that the keeper is dead, and tells how it died.
std::string EndKeeper(pid_t pid) {
  siginfo_t info = {};
  // First without force, so that the status is the true one.
  if (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG) == 0 &&
      info.si_pid == 0) {
    const UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    pollfd ended = {pidfd.get(), POLLIN, 0};
    // Its descriptors close a moment before its end can be seen.
    if (poll(&ended, 1, kReapMilliseconds / 10) == 0) kill(pid, SIGKILL);
    poll(&ended, 1, kReapMilliseconds);
    waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG);
  }
  if (info.si_pid == 0) return "its status is unknown";
  return ExitStatus::FromSiginfo(info).ToString();
}

}  // namespace

KeeperClient::KeeperClient(asio::io_context& loop, KeeperHandle keeper,
                           KeeperCallbacks callbacks)
    : loop_(loop),
      pid_(keeper.pid),
      socket_(loop, keeper.socket.Release()),
      callbacks_(std::move(callbacks)) {
  AwaitMessages();
}

KeeperClient::~KeeperClient() = default;

void KeeperClient::Spawn(SpawnRequest request) {
  Frame frame = EncodeSpawn(request);
  if (frame.payload.size() > kMaxPayload) return Refuse(request, E2BIG);
  if (frame.fds.size() > kMaxFrameFds) return Refuse(request, EINVAL);
  Send(std::move(frame));
}

void KeeperClient::Spawn(SpawnRequest request, ProcessCallbacks callbacks) {
  processes_[request.id] = std::move(callbacks);
  Spawn(std::move(request));
}

void KeeperClient::Refuse(const SpawnRequest& request, int error) {
  SpawnFailure failure = {SpawnStep::kRequest, error,
                          request.argv.empty() ? "" : request.argv[0], ""};
  Post([this, id = request.id, failure = std::move(failure)] {
    if (!lost_) Failed(id, failure);
  });
}

// The callbacks of a process may start another one or destroy the client:
// they are taken out of the map before they are called.

void KeeperClient::Failed(uint32_t id, const SpawnFailure& failure) {
  auto own = processes_.extract(id);
  if (own.empty()) return callbacks_.on_spawn_failed(id, failure);
  own.mapped().on_spawn_failed(failure);
}

void KeeperClient::Spawned(SpawnedMessage message) {
  const auto own = processes_.find(message.id);
  if (own == processes_.end()) {
    return callbacks_.on_spawned(message.id, message.pid,
                                 message.stdout_fd.Release(),
                                 message.stderr_fd.Release());
  }
  // Once only, and the callee may destroy what the map holds.
  auto on_spawned = std::move(own->second.on_spawned);
  on_spawned(message.pid,
             {message.stdin_fd.Release(), message.stdout_fd.Release(),
              message.stderr_fd.Release()});
}

void KeeperClient::Exited(const ExitedMessage& message) {
  auto own = processes_.extract(message.id);
  if (own.empty()) {
    return callbacks_.on_exited(message.id, message.pid, message.status);
  }
  own.mapped().on_exited(message.status);
}

void KeeperClient::Signal(uint32_t id, int signo) {
  Send(EncodeSignal({id, signo}));
}

void KeeperClient::SignalAll(int signo) { Signal(kAllWorkers, signo); }

void KeeperClient::Stop(absl::Duration grace) {
  Send(EncodeStop(WireGrace(grace)));
}

void KeeperClient::Finish() { Send(EncodeFinish()); }

void KeeperClient::SetOrphanGrace(absl::Duration grace) {
  Send(EncodeSetOrphanGrace(WireGrace(grace)));
}

void KeeperClient::RemoveAtEnd(const std::string& directory) {
  Send(EncodeRemoveAtEnd(directory));
}

void KeeperClient::Send(Frame frame) {
  if (lost_) return;
  writer_.Push(std::move(frame));
  if (!write_waiting_) Flush();
}

void KeeperClient::Flush() {
  switch (writer_.Flush(socket_.native_handle())) {
    case FrameWriter::Result::kDone:
      return;
    case FrameWriter::Result::kBlocked:
      write_waiting_ = true;
      socket_.async_wait(asio::posix::stream_descriptor::wait_write,
                         [this, alive = std::weak_ptr<const bool>(alive_)](
                             const asio::error_code& error) {
                           if (error || alive.expired() || lost_) return;
                           write_waiting_ = false;
                           Flush();
                         });
      return;
    case FrameWriter::Result::kBroken:
      // A dead keeper is found by the read, after its last messages.
      if (errno == EPIPE || errno == ECONNRESET) return;
      const std::string why = strerror(errno);
      Post([this, why] {
        Lose(absl::UnavailableError(
            absl::StrCat("cannot write to the keeper: ", why)));
      });
      return;
  }
}

void KeeperClient::AwaitMessages() {
  socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [this, alive = std::weak_ptr<const bool>(alive_)](
                         const asio::error_code& error) {
                       if (!error && !alive.expired()) ReadMessages();
                     });
}

void KeeperClient::ReadMessages() {
  const std::weak_ptr<const bool> alive = alive_;
  while (!lost_) {
    Frame frame;
    switch (reader_.Next(socket_.native_handle(), &frame)) {
      case FrameReader::Result::kWouldBlock:
        return AwaitMessages();
      case FrameReader::Result::kEnd:
        return Lose(absl::UnavailableError("the keeper is gone"));
      case FrameReader::Result::kBroken:
        return Lose(absl::UnavailableError(reader_.error()));
      case FrameReader::Result::kFrame:
        const absl::Status status = Dispatch(std::move(frame));
        if (alive.expired()) return;
        if (!status.ok()) return Lose(status);
    }
  }
}

absl::Status KeeperClient::Dispatch(Frame frame) {
  switch (static_cast<MessageType>(frame.type)) {
    case MessageType::kSpawned: {
      absl::StatusOr<SpawnedMessage> spawned = DecodeSpawned(std::move(frame));
      if (!spawned.ok()) return spawned.status();
      Spawned(*std::move(spawned));
      return absl::OkStatus();
    }
    case MessageType::kSpawnFailed: {
      const absl::StatusOr<SpawnFailedMessage> failed =
          DecodeSpawnFailed(frame);
      if (!failed.ok()) return failed.status();
      Failed(failed->id, failed->failure);
      return absl::OkStatus();
    }
    case MessageType::kExited: {
      const absl::StatusOr<ExitedMessage> exited = DecodeExited(frame);
      if (!exited.ok()) return exited.status();
      Exited(*exited);
      return absl::OkStatus();
    }
    case MessageType::kFinished: {
      absl::StatusOr<std::vector<Killed>> killed = DecodeFinished(frame);
      if (!killed.ok()) return killed.status();
      callbacks_.on_finished(*std::move(killed));
      return absl::OkStatus();
    }
    default:
      return absl::InternalError(
          absl::StrCat("the keeper sent a message of type ", frame.type));
  }
}

void KeeperClient::Lose(absl::Status why) {
  if (lost_) return;
  lost_ = true;
  socket_.close();
  const std::string end = EndKeeper(pid_);
  callbacks_.on_lost(absl::UnavailableError(
      absl::StrCat(why.message(), " (process ", pid_, ", ", end,
                   "): its workers were killed with it")));
}

void KeeperClient::Post(absl::AnyInvocable<void()> action) {
  asio::post(loop_, [alive = std::weak_ptr<const bool>(alive_),
                     action = std::move(action)]() mutable {
    if (!alive.expired()) action();
  });
}

}  // namespace muster::process
