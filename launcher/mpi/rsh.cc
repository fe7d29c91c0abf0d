#include "launcher/mpi/rsh.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <optional>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "launcher/mpi/local_socket.h"
#include "proto/local.pb.h"

namespace muster::mpi {
namespace {

constexpr int kUnreachable = 69;
constexpr int kNodeLost = 75;
constexpr int kRefused = 77;
constexpr int kSignalBase = 128;

int Complain(int exit_code, const std::string& text) {
  fprintf(stderr, "muster rsh: %s\n", text.c_str());
  return exit_code;
}

// Everything, however long it takes; what nobody reads is dropped.
void WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written > 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd writable = {fd, POLLOUT, 0};
      poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      return;
    }
  }
}

RemoteOpen MakeOpen(const std::string& host,
                    const std::vector<std::string>& words,
                    const RshSurroundings& surroundings) {
  RemoteOpen open;
  open.set_host(host);
  open.mutable_start()->set_command(absl::StrJoin(words, " "));
  open.mutable_start()->set_working_directory(surroundings.working_directory);
  for (const auto& [name, value] : surroundings.environment) {
    Variable* variable = open.mutable_start()->add_set();
    variable->set_name(name);
    variable->set_value(value);
  }
  return open;
}

// Job: the conversation after the opening.
// Life cycle: construct, Run() once. Threads: one.
class Rsh {
 public:
  Rsh(AgentLine line, int signals)
      : line_(std::move(line)), signals_(signals) {}

  int Run() {
    while (true) {
      const bool reads_input = !input_over_ && in_flight_ < kRemoteWindow;
      pollfd polled[] = {{line_.fd(), POLLIN, 0},
                         {signals_.get(), POLLIN, 0},
                         {reads_input ? STDIN_FILENO : -1, POLLIN, 0}};
      if (poll(polled, 3, -1) < 0) continue;
      if (polled[1].revents != 0) ForwardSignals();
      if (polled[2].revents != 0) ForwardInput();
      if (polled[0].revents != 0) {
        LocalReply reply;
        if (!line_.Receive(&reply)) break;
        if (const std::optional<int> code = Handle(reply)) return *code;
      }
    }
    return Complain(kUnreachable, "this node's agent has ended");
  }

 private:
  // A failure shows in what can be received: the agent may have said why.
  void Send(RemoteRequest request) {
    LocalRequest message;
    *message.mutable_remote() = std::move(request);
    line_.Send(message);
  }

  void ForwardSignals() {
    signalfd_siginfo info;
    if (read(signals_.get(), &info, sizeof info) != sizeof info) return;
    RemoteRequest request;
    request.set_signal(info.ssi_signo);
    Send(std::move(request));
  }

  void ForwardInput() {
    std::string bytes(kRemoteChunk, '\0');
    const ssize_t size = read(STDIN_FILENO, bytes.data(), bytes.size());
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
    bytes.resize(size > 0 ? static_cast<size_t>(size) : 0);
    input_over_ = bytes.empty();
    if (!input_over_) in_flight_ += RemoteCost(bytes.size());
    RemoteRequest request;
    request.mutable_input()->set_end(input_over_);
    request.mutable_input()->set_data(std::move(bytes));
    Send(std::move(request));
  }

  std::optional<int> Handle(const LocalReply& reply) {
    if (reply.has_refused()) return Complain(kRefused, reply.refused());
    const RemoteReply& remote = reply.remote();
    if (remote.has_output()) {
      const RemoteOutput& output = remote.output();
      WriteAll(output.is_stderr() ? STDERR_FILENO : STDOUT_FILENO,
               output.data());
      RemoteRequest credit;
      credit.set_output_credit(RemoteCost(output.data().size()));
      Send(std::move(credit));
    } else if (remote.has_input_credit()) {
      in_flight_ -= std::min<size_t>(in_flight_, remote.input_credit());
    } else if (remote.has_end()) {
      const RemoteEnd& end = remote.end();
      if (end.has_problem()) return Complain(kNodeLost, end.problem());
      return static_cast<int>(end.has_signal() ? kSignalBase + end.signal()
                                               : end.exit_code());
    }
    return std::nullopt;
  }

  AgentLine line_;
  process::UniqueFd signals_;
  size_t in_flight_ = 0;  // input without credit
  bool input_over_ = false;
};

int TakeSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signo : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2}) {
    sigaddset(&set, signo);
  }
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

}  // namespace

int RunRsh(const std::string& host, const std::vector<std::string>& words,
           const RshSurroundings& surroundings) {
  const absl::StatusOr<std::string> agent = ChooseAgent(surroundings.agent);
  if (!agent.ok()) {
    return Complain(kUnreachable, std::string(agent.status().message()));
  }
  absl::StatusOr<process::UniqueFd> socket = ConnectToAgent(*agent);
  if (!socket.ok()) {
    return Complain(kUnreachable, std::string(socket.status().message()));
  }
  AgentLine line(*std::move(socket));
  const int signals = TakeSignals();
  LocalRequest request;
  *request.mutable_open() = MakeOpen(host, words, surroundings);
  line.Send(request);  // a failure shows in what comes back
  return Rsh(std::move(line), signals).Run();
}

}  // namespace muster::mpi
