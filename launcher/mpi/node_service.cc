#include "launcher/mpi/node_service.h"

#include <csignal>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "launcher/mpi/hosts.h"
#include "launcher/mpi/local_socket.h"

namespace muster::mpi {
namespace {

// mpirun writes little; a line without an end is cut here.
constexpr size_t kLongestLine = 4096;

// mpirun says so when a remote agent starts faster than it looks.
constexpr char kHarmless[] = "plm:rsh: Warning: setpgid";

Environment ServiceEnvironment(const NodeServiceOptions& options,
                               const NodeDirectory& directory,
                               const std::string& socket_name) {
  Environment environment = options.environment;
  environment[kSocketVariable] = socket_name;
  environment[kProgramVariable] = directory.program();
  environment["TMPDIR"] = directory.path();
  // By its host name a daemon would take itself for the first node wherever
  // hosts share one, and its ranks for neighbours of that node's.
  if (options.node_rank > 0) {
    environment["PMIX_HOSTNAME"] = HostLabels(options.peers)[options.node_rank];
  }
  return environment;
}

}  // namespace

absl::StatusOr<std::unique_ptr<NodeService>> NodeService::Start(
    asio::io_context& loop, ServiceKeeper keeper, NodeServiceOptions options,
    NodeServiceCallbacks callbacks) {
  auto directory = NodeDirectory::Make(options.workers, options.program);
  if (!directory.ok()) return directory.status();
  const std::string socket_name = SocketName(options.run_id, options.node_rank,
                                             (*directory)->unique_part());
  std::unique_ptr<NodeService> service(new NodeService(
      loop, std::move(keeper), std::move(options), *std::move(directory),
      socket_name, std::move(callbacks)));
  if (absl::Status status = service->Listen(socket_name); !status.ok()) {
    return status;
  }
  if (service->options_.node_rank == 0) service->StartMpirun();
  return service;
}

NodeService::NodeService(asio::io_context& loop, ServiceKeeper keeper,
                         NodeServiceOptions options,
                         std::unique_ptr<NodeDirectory> directory,
                         const std::string& socket_name,
                         NodeServiceCallbacks callbacks)
    : loop_(loop),
      keeper_(std::move(keeper)),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      directory_(std::move(directory)),
      environment_(ServiceEnvironment(options_, *directory_, socket_name)),
      door_({.node_rank = options_.node_rank,
             .host_name = options_.peers[options_.node_rank].host_name(),
             .first_rank = options_.first_rank,
             .workers = options_.workers}),
      calls_(options_.node_rank, options_.peers, environment_,
             options_.working_directory),
      commands_(loop_, keeper_, environment_,
                {.send_frame = callbacks_.send_frame,
                 .on_daemon_ended = callbacks_.on_service_ended,
                 .on_over = [this](uint32_t id) { ServiceOver(id); }}) {}

NodeService::~NodeService() = default;

absl::Status NodeService::Listen(const std::string& socket_name) {
  auto server = LocalServer::Listen(
      loop_, socket_name,
      {.on_request = [this](LocalServer::Peer peer,
                            const LocalRequest& r) { GotRequest(peer, r); },
       // A shim that ends early leaves its rank running: mpirun has decided to
       // end the job, of which the coordinator hears, and then everybody gets
       // the grace.
       .on_closed =
           [this](LocalServer::Peer peer) { Send(calls_.Closed(peer)); }});
  if (!server.ok()) return server.status();
  server_ = *std::move(server);
  return absl::OkStatus();
}

void NodeService::StartMpirun() {
  MpirunOptions options;
  options.version = options_.version;
  options.hosts = HostLabels(options_.peers);
  for (const Peer& peer : options_.peers) {
    options.slots.push_back(peer.workers());
  }
  options.remote_agent = absl::StrCat(directory_->program(), " rsh");
  options.network = options_.network;
  options.user_arguments = options_.mpirun_arguments;
  // By way of a variable, since each node has its own place for the program.
  options.program = {"/bin/sh", "-c",
                     absl::StrCat("exec \"$", kProgramVariable, "\" mpi-rank")};
  process::SpawnRequest request;
  request.argv = MpirunCommand(options);
  Environment environment = environment_;
  environment[kLauncherVariable] = "mpirun";
  request.env.assign(environment.begin(), environment.end());
  const uint32_t id = next_id_++;
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
                callbacks_.on_service_ended(
                    EndOfService("mpirun", pid, status, tail));
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
      return Send(calls_.Request(peer, request.remote()));
    case LocalRequest::BODY_NOT_SET:
      return;
  }
}

void NodeService::OpenRemote(LocalServer::Peer peer, const RemoteOpen& open) {
  absl::StatusOr<RemoteFrame> frame = calls_.Open(peer, open);
  if (!frame.ok()) return Refuse(peer, frame.status());
  callbacks_.send_frame(*std::move(frame));
}

void NodeService::StartRank(LocalServer::Peer peer, const RankStart& start) {
  const absl::Status entered = door_.Enter(peer, start.rank());
  if (!entered.ok()) return Refuse(peer, entered);
  callbacks_.on_rank_start(start);
}

void NodeService::Conclude(LocalServer::Peer peer, const LocalReply& reply) {
  server_->Send(peer, reply);
  server_->Close(peer);
}

void NodeService::Refuse(LocalServer::Peer peer, const absl::Status& why) {
  LocalReply reply;
  reply.set_refused(std::string(why.message()));
  Conclude(peer, reply);
}

void NodeService::Tell(const RankDoor::Answer& answer) {
  LocalReply reply;
  *reply.mutable_rank() = answer.status;
  Conclude(answer.peer, reply);
}

void NodeService::Send(std::vector<RemoteFrame> frames) {
  for (RemoteFrame& frame : frames) callbacks_.send_frame(std::move(frame));
}

// ---- What the agent says ----

void NodeService::Received(const RemoteFrame& frame) {
  if (frame.has_request()) {
    if (!frame.request().has_start()) return commands_.Handle(frame);
    const uint32_t id = next_id_++;
    if (commands_.Start(id, frame)) services_.insert(id);
    return;
  }
  const std::optional<LocalServer::Peer> peer = calls_.Replied(frame);
  if (!peer) return;
  LocalReply reply;
  *reply.mutable_remote() = frame.reply();
  server_->Send(*peer, reply);
  if (frame.reply().has_end()) server_->Close(*peer);
}

void NodeService::RankEnded(uint32_t rank, const muster::RankEnded& status) {
  if (const auto answer = door_.Ended(rank, status)) Tell(*answer);
}

void NodeService::CloseDoor() { door_.Close(); }

void NodeService::Release(bool failed) {
  if (std::exchange(released_, true)) return;
  if (failed) {
    for (const uint32_t id : services_) keeper_.signal(id, SIGKILL);
  }
  for (const RankDoor::Answer& answer : door_.Release()) Tell(answer);
  if (services_.empty()) callbacks_.on_idle();
}

void NodeService::ServiceOver(uint32_t id) {
  if (services_.erase(id) == 0) return;  // a command of the user's
  if (released_ && services_.empty()) callbacks_.on_idle();
}

}  // namespace muster::mpi
