#include "launcher/mpi/node_service.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <set>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "asio/post.hpp"
#include "launcher/mpi/hosts.h"
#include "launcher/mpi/local_socket.h"

namespace muster::mpi {
namespace {

constexpr char kProgramVariable[] = "MUSTER_PROGRAM";

// Tells the job's own mpirun from one that a user runs beside it.
constexpr char kLauncherVariable[] = "MUSTER_LAUNCHER";

// mpirun writes little; a line without an end is cut here.
constexpr size_t kLongestLine = 4096;

// mpirun says so when a remote agent starts faster than it looks.
constexpr char kHarmless[] = "plm:rsh: Warning: setpgid";

muster::ServiceEnded Ended(const std::string& name, pid_t pid,
                           process::ExitStatus status,
                           const std::string& tail) {
  muster::ServiceEnded event;
  event.set_name(name);
  event.set_pid(pid);
  if (status.signaled()) {
    event.set_signal(status.signal());
  } else {
    event.set_exit_code(status.code());
  }
  event.set_stderr_tail(tail);
  return event;
}

std::string FirstWord(const std::string& command) {
  const std::vector<std::string> words =
      absl::StrSplit(command, ' ', absl::SkipEmpty());
  return words.empty() ? "" : words.front();
}

// The daemon of Open MPI that a command line from mpirun starts; "" for none.
std::string DaemonIn(const std::string& command) {
  const std::vector<std::string> words =
      absl::StrSplit(command, ' ', absl::SkipEmpty());
  for (const std::string& word : words) {
    const std::string name = word.substr(word.rfind('/') + 1);
    if (name == "orted" || name == "prted") return name;
  }
  return "";
}

// What a rank's shared segment and Open MPI's own files may take.
constexpr uint64_t kSharedBytesPerRank = 4 << 20;

bool HasRoom(const char* directory, uint64_t bytes) {
  struct statvfs room;
  return statvfs(directory, &room) == 0 &&
         uint64_t{room.f_bavail} * room.f_frsize >= bytes;
}

// Open MPI maps files there: in memory, where there is enough of it. A
// container may have as little as 64 MiB, and who maps more dies of SIGBUS.
absl::StatusOr<std::string> MakeDirectory(uint32_t ranks) {
  constexpr char kMemory[] = "/dev/shm";
  std::vector<std::string> parents = {"/tmp"};
  if (HasRoom(kMemory, ranks * kSharedBytesPerRank)) {
    parents.insert(parents.begin(), kMemory);
  }
  for (const std::string& parent : parents) {
    std::string path = absl::StrCat(parent, "/muster-XXXXXX");
    if (mkdtemp(path.data())) return path;
  }
  return absl::UnavailableError(absl::StrCat(
      "neither /dev/shm nor /tmp takes a directory: ", strerror(errno)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<NodeService>> NodeService::Start(
    asio::io_context& loop, ServiceKeeper keeper, NodeServiceOptions options,
    NodeServiceCallbacks callbacks) {
  std::unique_ptr<NodeService> service(new NodeService(
      loop, std::move(keeper), std::move(options), std::move(callbacks)));
  if (absl::Status status = service->Open(); !status.ok()) return status;
  if (service->options_.node_rank == 0) service->StartMpirun();
  return service;
}

NodeService::NodeService(asio::io_context& loop, ServiceKeeper keeper,
                         NodeServiceOptions options,
                         NodeServiceCallbacks callbacks)
    : loop_(loop),
      keeper_(std::move(keeper)),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)) {}

NodeService::~NodeService() {
  *alive_ = false;
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

absl::Status NodeService::Open() {
  absl::StatusOr<std::string> directory = MakeDirectory(options_.workers);
  if (!directory.ok()) return directory.status();
  directory_ = *std::move(directory);
  // A link, so that the name has no space, which would split it.
  const std::string link = absl::StrCat(directory_, "/muster");
  if (symlink(options_.program.c_str(), link.c_str()) != 0) {
    return absl::UnavailableError(
        absl::StrCat("no link to ", options_.program, ": ", strerror(errno)));
  }
  // The directory's name is unique on this host, and so is this one.
  socket_name_ = SocketName(options_.run_id, options_.node_rank,
                            directory_.substr(directory_.rfind('-') + 1));
  auto server = LocalServer::Listen(
      loop_, socket_name_,
      {.on_request = [this](LocalServer::Peer peer,
                            const LocalRequest& r) { GotRequest(peer, r); },
       .on_closed = [this](LocalServer::Peer peer) { PeerClosed(peer); }});
  if (!server.ok()) return server.status();
  server_ = *std::move(server);
  return absl::OkStatus();
}

Environment NodeService::ServiceEnvironment() const {
  Environment environment = options_.environment;
  environment[kSocketVariable] = socket_name_;
  environment[kProgramVariable] = absl::StrCat(directory_, "/muster");
  environment["TMPDIR"] = directory_;
  // By its host name a daemon would take itself for the first node wherever
  // hosts share one, and its ranks for neighbours of that node's.
  if (options_.node_rank > 0) {
    environment["PMIX_HOSTNAME"] =
        HostLabels(options_.peers)[options_.node_rank];
  }
  return environment;
}

void NodeService::StartMpirun() {
  MpirunOptions options;
  options.version = options_.version;
  options.hosts = HostLabels(options_.peers);
  for (const Peer& peer : options_.peers) {
    options.slots.push_back(peer.workers());
  }
  options.remote_agent = absl::StrCat(directory_, "/muster rsh");
  options.network = options_.network;
  options.user_arguments = options_.mpirun_arguments;
  // By way of a variable, since each node has its own place for the program.
  options.program = {"/bin/sh", "-c",
                     absl::StrCat("exec \"$", kProgramVariable, "\" mpi-rank")};
  process::SpawnRequest request;
  request.argv = MpirunCommand(options);
  Environment environment = ServiceEnvironment();
  environment[kLauncherVariable] = "mpirun";
  request.env.assign(environment.begin(), environment.end());
  const uint32_t id = NextId();
  services_.insert(id);
  mpirun_ = std::make_unique<ServiceCommand>(
      loop_, keeper_, id,
      ServiceCommand::Callbacks{
          .on_reply =
              [this, id](const RemoteReply& reply) {
                if (reply.has_output()) {
                  GotLines(reply.output().data());
                  RemoteRequest credit;
                  credit.set_output_credit(
                      RemoteCost(reply.output().data().size()));
                  mpirun_->Handle(credit);
                }
                if (reply.has_end()) {
                  GotLines("\n");
                  ServiceOver(id);
                }
              },
          .on_exited =
              [this](pid_t pid, process::ExitStatus status,
                     const std::string& tail) {
                callbacks_.on_service_ended(Ended("mpirun", pid, status, tail));
              }});
  mpirun_->Start(std::move(request));
  RemoteRequest no_input;
  no_input.mutable_input()->set_end(true);
  mpirun_->Handle(no_input);
}

void NodeService::GotLines(absl::string_view bytes) {
  for (const char c : bytes) {
    if (c != '\n') mpirun_line_ += c;
    if (c != '\n' && mpirun_line_.size() < kLongestLine) continue;
    if (!mpirun_line_.empty() && !absl::StrContains(mpirun_line_, kHarmless)) {
      callbacks_.on_line(mpirun_line_);
    }
    mpirun_line_.clear();
  }
}

// ---- What processes of this node ask for ----

void NodeService::GotRequest(LocalServer::Peer peer,
                             const LocalRequest& request) {
  switch (request.body_case()) {
    case LocalRequest::kOpen:
      return OpenRemote(peer, request.open());
    case LocalRequest::kRank:
      return StartRank(peer, request.rank());
    case LocalRequest::kRemote:
      for (const auto& [exchange, opening] : openings_) {
        if (opening.peer != peer) continue;
        RemoteFrame frame = FrameFor(exchange, opening);
        *frame.mutable_request() = request.remote();
        callbacks_.send_frame(std::move(frame));
      }
      return;
    case LocalRequest::BODY_NOT_SET:
      return;
  }
}

void NodeService::PeerClosed(LocalServer::Peer peer) {
  for (auto it = openings_.begin(); it != openings_.end();) {
    if (it->second.peer != peer) {
      ++it;
      continue;
    }
    RemoteFrame frame = FrameFor(it->first, it->second);
    frame.mutable_request()->set_hang_up(true);
    callbacks_.send_frame(std::move(frame));
    it = openings_.erase(it);
  }
  // A shim that ends early leaves its rank running: mpirun has decided to end
  // the job, of which the coordinator hears, and then everybody gets the grace.
}

RemoteFrame NodeService::FrameFor(uint64_t exchange,
                                  const Opening& opening) const {
  RemoteFrame frame;
  frame.set_opener(options_.node_rank);
  frame.set_executor(opening.executor);
  frame.set_exchange(exchange);
  return frame;
}

void NodeService::OpenRemote(LocalServer::Peer peer, const RemoteOpen& open) {
  const std::optional<uint32_t> node = FindNode(options_.peers, open.host());
  if (!node) {
    std::vector<std::string> known;
    for (size_t i = 0; i < options_.peers.size() && i < 8; ++i) {
      known.push_back(
          absl::StrCat("node", i, " (", options_.peers[i].host_name(), ")"));
    }
    return Refuse(
        peer,
        absl::StrCat(open.host(), " is no node of this job; its ",
                     options_.peers.size(), " nodes are ",
                     absl::StrJoin(known, ", "),
                     options_.peers.size() > known.size() ? ", ..." : ""));
  }
  const uint64_t exchange = ++last_exchange_;
  const Opening opening{peer, *node};
  openings_[exchange] = opening;
  RemoteFrame frame = FrameFor(exchange, opening);
  RemoteStart* start = frame.mutable_request()->mutable_start();
  start->set_command(open.start().command());
  if (open.start().working_directory() != options_.working_directory) {
    start->set_working_directory(open.start().working_directory());
  }
  // Only what differs from this node's environment is the caller's own; the
  // rest would overwrite what the other node knows better.
  const Environment own = ServiceEnvironment();
  std::set<std::string> present;
  for (const Variable& variable : open.start().set()) {
    present.insert(variable.name());
    if (variable.name() == kLauncherVariable) start->set_serves_job(true);
    const auto same = own.find(variable.name());
    if (absl::StartsWith(variable.name(), "MUSTER_") ||
        (same != own.end() && same->second == variable.value())) {
      continue;
    }
    *start->add_set() = variable;
  }
  for (const auto& [name, value] : own) {
    if (!present.contains(name)) start->add_unset(name);
  }
  callbacks_.send_frame(std::move(frame));
}

void NodeService::StartRank(LocalServer::Peer peer, const RankStart& start) {
  const uint32_t rank = start.rank();
  if (rank < options_.first_rank ||
      rank - options_.first_rank >= options_.workers) {
    return Refuse(
        peer,
        absl::StrCat("mpirun put rank ", rank, " on node ", options_.node_rank,
                     " (", options_.peers[options_.node_rank].host_name(),
                     "), which has ranks ", options_.first_rank, "-",
                     options_.first_rank + options_.workers - 1,
                     "; leave the mapping out of --mpi-arg"));
  }
  if (closed_) return Refuse(peer, "the job is being stopped");
  const auto [it, is_new] = ranks_.try_emplace(rank);
  if (!is_new) {
    return Refuse(peer, absl::StrCat("rank ", rank, " was started before"));
  }
  it->second.peer = peer;
  callbacks_.on_rank_start(start);
}

void NodeService::Refuse(LocalServer::Peer peer, const std::string& why) {
  LocalReply reply;
  reply.set_refused(why);
  server_->Send(peer, reply);
  server_->Close(peer);
}

void NodeService::TellShim(LocalServer::Peer peer,
                           const muster::RankEnded& status) {
  LocalReply reply;
  *reply.mutable_rank() = status;
  server_->Send(peer, reply);
  server_->Close(peer);
}

void NodeService::RankEnded(uint32_t rank, const muster::RankEnded& status) {
  const auto found = ranks_.find(rank);
  if (found == ranks_.end()) return;
  found->second.ended = status;
  const bool success = status.has_exit_code() && status.exit_code() == 0;
  if (success || released_) TellShim(found->second.peer, status);
}

void NodeService::CloseDoor() { closed_ = true; }

void NodeService::Release(bool failed) {
  closed_ = true;
  if (std::exchange(released_, true)) return;
  if (failed) {
    for (const uint32_t id : services_) keeper_.signal(id, SIGKILL);
  }
  for (const auto& [rank, entry] : ranks_) {
    if (entry.ended) TellShim(entry.peer, *entry.ended);
  }
  if (services_.empty()) callbacks_.on_idle();
}

// ---- What other nodes ask for ----

void NodeService::Received(const RemoteFrame& frame) {
  if (frame.has_request()) {
    if (frame.request().has_start()) return Execute(frame);
    const auto found = executions_.find({frame.opener(), frame.exchange()});
    if (found != executions_.end()) found->second->Handle(frame.request());
    return;
  }
  const auto found = openings_.find(frame.exchange());
  if (found == openings_.end() || found->second.executor != frame.executor()) {
    return;
  }
  const LocalServer::Peer peer = found->second.peer;
  LocalReply reply;
  *reply.mutable_remote() = frame.reply();
  server_->Send(peer, reply);
  if (frame.reply().has_end()) {
    openings_.erase(found);
    server_->Close(peer);
  }
}

void NodeService::Execute(const RemoteFrame& frame) {
  const RemoteStart& start = frame.request().start();
  const std::string daemon =
      start.serves_job() ? DaemonIn(start.command()) : "";
  const Environment own = ServiceEnvironment();
  Environment environment = own;
  for (const std::string& name : start.unset()) environment.erase(name);
  for (const Variable& variable : start.set()) {
    environment[variable.name()] = variable.value();
  }
  // Whatever the caller's are, these are this node's.
  for (const char* name : {kSocketVariable, kProgramVariable, "TMPDIR"}) {
    environment[name] = own.at(name);
  }
  process::SpawnRequest request;
  // In the shell's place, so that the daemon's own end is seen.
  const bool is_plain =
      !daemon.empty() && absl::StrContains(FirstWord(start.command()), daemon);
  request.argv = {"/bin/sh", "-c",
                  absl::StrCat(is_plain ? "exec " : "", start.command())};
  request.env.assign(environment.begin(), environment.end());
  request.working_directory = start.working_directory();

  const Execution key{frame.opener(), frame.exchange()};
  RemoteFrame back;
  back.set_opener(frame.opener());
  back.set_executor(options_.node_rank);
  back.set_exchange(frame.exchange());
  const uint32_t id = NextId();
  if (!daemon.empty()) services_.insert(id);
  auto& command = executions_[key];
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
                  executions_.erase(key);
                  ServiceOver(id);
                });
              },
          .on_exited =
              [this, daemon](pid_t pid, process::ExitStatus status,
                             const std::string& tail) {
                if (daemon.empty()) return;
                callbacks_.on_service_ended(Ended(daemon, pid, status, tail));
              }});
  command->Start(std::move(request));
}

void NodeService::ServiceOver(uint32_t id) {
  if (services_.erase(id) == 0) return;  // a command of the user's
  if (released_ && services_.empty()) callbacks_.on_idle();
}

}  // namespace muster::mpi
