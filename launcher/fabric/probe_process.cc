#include "launcher/fabric/probe_process.h"

#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/buffer.hpp"

namespace muster::fabric {

ProbeProcess::ProbeProcess(asio::io_context& loop,
                           process::ServiceKeeper keeper, uint32_t id,
                           Callbacks callbacks)
    : keeper_(std::move(keeper)),
      id_(id),
      callbacks_(std::move(callbacks)),
      in_(loop),
      out_(loop),
      err_(loop) {}

ProbeProcess::~ProbeProcess() { *alive_ = false; }

void ProbeProcess::Start(process::SpawnRequest request) {
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
               [this](const process::SpawnFailure& why) {
                 callbacks_.on_gone(
                     {absl::StrCat("could not be started: ", why.Message()),
                      false, ""});
               },
           .on_exited =
               [this](process::ExitStatus status) { Exited(status); }}));
}

void ProbeProcess::Send(const ProbeCommand& command) {
  unsent_.push_back(EncodeProbeMessage(command));
  Write();
}

void ProbeProcess::CloseInput() {
  input_ends_ = true;
  Write();
}

void ProbeProcess::Kill() {
  killed_ = true;
  if (pid_ != 0 && !status_) keeper_.signal(id_, SIGKILL);
}

char ProbeProcess::State() const {
  if (pid_ == 0 || status_) return 0;
  std::ifstream file(absl::StrCat("/proc/", pid_, "/stat"));
  const std::string stat{std::istreambuf_iterator<char>(file), {}};
  // The name before it may hold anything.
  const size_t name_end = stat.rfind(") ");
  return name_end == std::string::npos || name_end + 2 >= stat.size()
             ? '\0'
             : stat[name_end + 2];
}

void ProbeProcess::Spawned(pid_t pid, process::ProcessPipes pipes) {
  pid_ = pid;
  open_pipes_ = 2;
  in_.assign(pipes.stdin_fd);
  in_.native_non_blocking(true);
  out_.assign(pipes.stdout_fd);
  out_.native_non_blocking(true);
  err_.assign(pipes.stderr_fd);
  err_.native_non_blocking(true);
  Read();
  ReadErrors();
  if (killed_) Kill();
  Write();
}

void ProbeProcess::Read() {
  out_.async_read_some(
      asio::buffer(out_bytes_),
      [this, alive = alive_](asio::error_code error, size_t size) {
        if (!*alive) return;
        reader_.Add(out_bytes_.data(), size);
        ProbeEvent event;
        while (reader_.Next(&event)) {
          callbacks_.on_event(event);
          if (!*alive) return;
        }
        if (reader_.broken()) Kill();
        if (!error && !reader_.broken()) return Read();
        --open_pipes_;
        MaybeGone();
      });
}

void ProbeProcess::ReadErrors() {
  err_.async_read_some(
      asio::buffer(err_bytes_),
      [this, alive = alive_](asio::error_code error, size_t size) {
        if (!*alive) return;
        tail_.Append({err_bytes_.data(), size});
        if (!error) return ReadErrors();
        --open_pipes_;
        MaybeGone();
      });
}

void ProbeProcess::Write() {
  if (!in_.is_open() || writing_) return;
  if (unsent_.empty()) {
    if (input_ends_) in_.close();
    return;
  }
  writing_ = true;
  const std::string& first = unsent_.front();
  in_.async_write_some(
      asio::buffer(first.data() + sent_, first.size() - sent_),
      [this, alive = alive_](asio::error_code error, size_t size) {
        if (!*alive) return;
        writing_ = false;
        // Who does not read is about to end; that is said then.
        if (error) unsent_.clear();
        sent_ += size;
        if (!unsent_.empty() && sent_ == unsent_.front().size()) {
          unsent_.pop_front();
          sent_ = 0;
        }
        Write();
      });
}

void ProbeProcess::Exited(process::ExitStatus status) {
  status_ = status;
  MaybeGone();
}

void ProbeProcess::MaybeGone() {
  if (!status_ || open_pipes_ > 0) return;
  callbacks_.on_gone(
      {absl::StrCat("ended: ", status_->ToString(),
                    reader_.broken() ? ", after garbage on its output" : ""),
       true, std::string(tail_.bytes())});
}

}  // namespace muster::fabric
