#include "launcher/mpi/remote_commands.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "asio/post.hpp"
#include "launcher/mpi/local_socket.h"

namespace muster::mpi {
namespace {

std::vector<std::string> Words(const std::string& command) {
  return absl::StrSplit(command, ' ', absl::SkipEmpty());
}

// The daemon of Open MPI that a command line from mpirun starts; "" for none.
std::string DaemonIn(const std::string& command) {
  for (const std::string& word : Words(command)) {
    const std::string name = word.substr(word.rfind('/') + 1);
    if (name == "orted" || name == "prted") return name;
  }
  return "";
}

// What is executed as it stands, without the shell's help.
bool BeginsWith(const std::string& command, const std::string& daemon) {
  const std::vector<std::string> words = Words(command);
  return !words.empty() && absl::StrContains(words.front(), daemon);
}

}  // namespace

RemoteCommands::RemoteCommands(asio::io_context& loop, ServiceKeeper keeper,
                               const Environment& own, Callbacks callbacks)
    : loop_(loop),
      keeper_(std::move(keeper)),
      own_(own),
      callbacks_(std::move(callbacks)) {}

RemoteCommands::~RemoteCommands() { *alive_ = false; }

process::SpawnRequest RemoteCommands::RequestFor(
    const RemoteStart& start, const std::string& daemon) const {
  Environment environment = own_;
  for (const std::string& name : start.unset()) environment.erase(name);
  for (const Variable& variable : start.set()) {
    environment[variable.name()] = variable.value();
  }
  // Whatever the caller's are, these are this node's.
  for (const char* name : {kSocketVariable, kProgramVariable, "TMPDIR"}) {
    environment[name] = own_.at(name);
  }
  process::SpawnRequest request;
  // In the shell's place, so that the daemon's own end is seen.
  const bool replaces_shell =
      !daemon.empty() && BeginsWith(start.command(), daemon);
  request.argv = {"/bin/sh", "-c",
                  absl::StrCat(replaces_shell ? "exec " : "", start.command())};
  request.env.assign(environment.begin(), environment.end());
  request.working_directory = start.working_directory();
  return request;
}

bool RemoteCommands::Start(uint32_t id, const RemoteFrame& frame) {
  const RemoteStart& start = frame.request().start();
  const std::string daemon =
      start.serves_job() ? DaemonIn(start.command()) : "";
  const Key key{frame.opener(), frame.exchange()};
  RemoteFrame back;
  back.set_opener(frame.opener());
  back.set_executor(frame.executor());
  back.set_exchange(frame.exchange());
  auto& command = commands_[key];
  command = std::make_unique<ServiceCommand>(
      loop_, keeper_, id,
      ServiceCommand::Callbacks{
          .on_reply =
              [this, id, key, back](RemoteReply reply) {
                const bool end = reply.has_end();
                RemoteFrame answer = back;
                *answer.mutable_reply() = std::move(reply);
                callbacks_.send_frame(std::move(answer));
                if (!end) return;
                // Not inside its own callback.
                asio::post(loop_, [this, alive = alive_, id, key] {
                  if (!*alive) return;
                  commands_.erase(key);
                  callbacks_.on_over(id);
                });
              },
          .on_exited =
              [this, daemon](pid_t pid, process::ExitStatus status,
                             const std::string& tail) {
                if (daemon.empty()) return;
                callbacks_.on_daemon_ended(
                    EndOfService(daemon, pid, status, tail));
              }});
  command->Start(RequestFor(start, daemon));
  return !daemon.empty();
}

void RemoteCommands::Handle(const RemoteFrame& frame) {
  const auto found = commands_.find({frame.opener(), frame.exchange()});
  if (found != commands_.end()) found->second->Handle(frame.request());
}

}  // namespace muster::mpi
