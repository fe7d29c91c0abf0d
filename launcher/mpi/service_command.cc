#include "launcher/mpi/service_command.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "asio/buffer.hpp"

namespace muster::mpi {

ServiceCommand::ServiceCommand(asio::io_context& loop,
                               const ServiceKeeper& keeper, uint32_t id,
                               Callbacks callbacks)
    : loop_(loop),
      keeper_(keeper),
      id_(id),
      callbacks_(std::move(callbacks)),
      input_(loop),
      drain_(loop) {}

ServiceCommand::~ServiceCommand() { *alive_ = false; }

void ServiceCommand::Start(process::SpawnRequest request) {
  request.id = id_;
  request.service = true;
  request.piped_stdin = true;
  keeper_.spawn(
      std::move(request),
      process::WhileAlive(
          alive_,
          {.on_spawned =
               [this](pid_t pid, process::ProcessPipes pipes) {
                 Spawned(pid, pipes);
               },
           .on_spawn_failed =
               [this](const process::SpawnFailure& why) { NotSpawned(why); },
           .on_exited =
               [this](process::ExitStatus status) { Exited(status); }}));
}

void ServiceCommand::Handle(const RemoteRequest& request) {
  switch (request.body_case()) {
    case RemoteRequest::kInput:
      if (!request.input().data().empty()) {
        pending_input_.push_back(request.input().data());
      }
      input_ends_ |= request.input().end();
      WriteInput();
      break;
    case RemoteRequest::kOutputCredit:
      Credit(request.output_credit());
      break;
    case RemoteRequest::kSignal:
    case RemoteRequest::kHangUp: {
      const int signo =
          request.has_signal() ? static_cast<int>(request.signal()) : SIGTERM;
      if (pid_ != 0) {
        keeper_.signal(id_, signo);
      } else {
        early_signal_ = signo;
      }
      break;
    }
    case RemoteRequest::kStart:
    case RemoteRequest::BODY_NOT_SET:
      break;
  }
}

void ServiceCommand::Spawned(pid_t pid, process::ProcessPipes pipes) {
  pid_ = pid;
  open_pipes_ = 2;
  out_ = Read(false, pipes.stdout_fd);
  err_ = Read(true, pipes.stderr_fd);
  input_.assign(pipes.stdin_fd);
  input_.native_non_blocking(true);
  if (early_signal_) keeper_.signal(id_, *early_signal_);
  WriteInput();
}

void ServiceCommand::NotSpawned(const process::SpawnFailure& failure) {
  const auto alive = alive_;
  callbacks_.on_exited(0, process::ExitStatus::Exited(failure.ExitCode()),
                       failure.Message());
  if (!*alive) return;
  RemoteReply reply;
  reply.mutable_end()->set_problem(failure.Message());
  callbacks_.on_reply(std::move(reply));
}

void ServiceCommand::Exited(process::ExitStatus status) {
  const auto alive = alive_;
  err_->DrainNow();
  // Only now: the drain may have brought the end of the output.
  status_ = status;
  callbacks_.on_exited(pid_, status, std::string(tail_.bytes()));
  if (!*alive) return;
  AwaitDrain();
  MaybeEnd();
}

void ServiceCommand::AwaitDrain() {
  drain_.expires_after(kRemoteDrain);
  drain_.async_wait([this, alive = alive_](asio::error_code error) {
    if (*alive && !error) Abandon();
  });
}

std::unique_ptr<streams::PipeReader> ServiceCommand::Read(bool is_stderr,
                                                          int fd) {
  return std::make_unique<streams::PipeReader>(
      loop_, buffer_, fd,
      streams::PipeReader::Callbacks{
          .on_bytes =
              [this, is_stderr](absl::string_view bytes) {
                GotOutput(is_stderr, bytes);
              },
          .on_end = [this] { OutputEnded(); }});
}

void ServiceCommand::GotOutput(bool is_stderr, absl::string_view bytes) {
  if (is_stderr) tail_.Append(bytes);
  for (; !bytes.empty();
       bytes.remove_prefix(std::min(bytes.size(), kRemoteChunk))) {
    RemoteReply reply;
    reply.mutable_output()->set_is_stderr(is_stderr);
    const absl::string_view chunk = bytes.substr(0, kRemoteChunk);
    reply.mutable_output()->set_data(chunk.data(), chunk.size());
    unacknowledged_ += RemoteCost(chunk.size());
    callbacks_.on_reply(std::move(reply));
  }
  if (unacknowledged_ >= kRemoteWindow && !paused_) {
    paused_ = true;
    out_->Pause();
    err_->Pause();
  }
}

void ServiceCommand::Credit(size_t bytes) {
  unacknowledged_ -= std::min(unacknowledged_, bytes);
  if (!paused_ || unacknowledged_ >= kRemoteWindow) return;
  paused_ = false;
  out_->Resume();
  err_->Resume();
}

void ServiceCommand::OutputEnded() {
  --open_pipes_;
  MaybeEnd();
}

// While the window is full the reader on the other side is merely slow.
void ServiceCommand::Abandon() {
  if (paused_) return AwaitDrain();
  const auto alive = alive_;
  out_->Abandon();
  if (*alive) err_->Abandon();
}

void ServiceCommand::MaybeEnd() {
  if (!status_ || open_pipes_ > 0) return;
  drain_.cancel();
  RemoteReply reply;
  process::SetEnd(*status_, reply.mutable_end());
  callbacks_.on_reply(std::move(reply));
}

void ServiceCommand::WriteInput() {
  if (!input_.is_open() || writing_) return;
  // Where nobody reads it, which is the command's own affair, the sender must
  // not wait for a window that never opens.
  while (input_broken_ && !pending_input_.empty()) InputTaken();
  if (pending_input_.empty()) {
    if (input_ends_) input_.close();
    return;
  }
  writing_ = true;
  const std::string& first = pending_input_.front();
  input_.async_write_some(
      asio::buffer(first.data() + written_, first.size() - written_),
      [this, alive = alive_](asio::error_code error, size_t written) {
        if (!*alive) return;
        writing_ = false;
        input_broken_ = static_cast<bool>(error);
        written_ += written;
        if (!error && written_ == pending_input_.front().size()) InputTaken();
        WriteInput();
      });
}

// The first frame needs no more room.
void ServiceCommand::InputTaken() {
  RemoteReply reply;
  reply.set_input_credit(RemoteCost(pending_input_.front().size()));
  pending_input_.pop_front();
  written_ = 0;
  callbacks_.on_reply(std::move(reply));
}

}  // namespace muster::mpi
