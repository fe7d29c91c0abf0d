#include "launcher/agent.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "env/hardware/interfaces.h"
#include "launcher/exit_codes.h"
#include "launcher/log.h"
#include "launcher/process/exit_status.h"
#include "launcher/process/orphans.h"
#include "launcher/report_json.h"
#include "launcher/report_text.h"
#include "launcher/worker_plan.h"
#include "rendezvous/task_layout.h"
#include "rendezvous/transport.h"

namespace muster::launcher {
namespace {

using rendezvous::Now;
using std::chrono::milliseconds;

// The coordinator, as the only one whose signs of life this agent watches.
constexpr rendezvous::SessionId kCoordinator = 0;

std::string RankRange(uint32_t first, uint32_t count) {
  if (count == 1) return absl::StrCat("rank ", first);
  return absl::StrCat("ranks ", first, "-", first + count - 1);
}

// What the workers are told besides their ranks.
std::string StartText(const Assignment& assignment, const std::string& means) {
  if (assignment.tasks().empty()) {
    return absl::StrCat("master ", assignment.master_address(), ":",
                        assignment.master_port(), ", ", means);
  }
  std::vector<std::string> tasks;
  for (const Task& task : assignment.tasks()) {
    tasks.push_back(rendezvous::TaskName(task.role(), task.index()));
  }
  return absl::StrJoin(tasks, ", ");
}

void WriteReport(const Report& report, const std::string& path) {
  std::ofstream file(path);
  file << ReportToJson(report) << std::flush;
  if (!file) spdlog::error("--report {}: {}", path, strerror(errno));
}

// Whether a process of that name is mpirun's or one of its helpers.
bool IsOpenMpis(const std::string& name) {
  return name == "mpirun" || name == "orted" || name == "prted" ||
         name == "muster" || name == "sh";
}

// As Azure's job preparation did: a script may write there without asking.
void MakeDirectory(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) spdlog::warn("{} can't be made: {}", path, error.message());
}

}  // namespace

Agent::Agent(JobSpec spec, rendezvous::Credentials credentials,
             process::KeeperHandle keeper, env::Variables inherited)
    : spec_(std::move(spec)),
      credentials_(std::move(credentials)),
      inherited_(std::move(inherited)),
      deadline_(Now().at + milliseconds(spec_.join_timeout_ms())),
      signals_(loop_, SIGINT, SIGTERM),
      timer_(loop_),
      services_end_(loop_),
      coordinator_alive_(milliseconds(spec_.node_timeout_ms())) {
  for (const int signo : {SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD}) {
    signals_.add(signo);
  }
  MakeWorkers(std::move(keeper));
}

Agent::~Agent() = default;

int Agent::Run() {
  AwaitSignal();
  absl::StatusOr<Node> node = LookAtNode(spec_, inherited_);
  if (node.ok()) {
    node_ = *std::move(node);
    spdlog::debug("{} GPUs ({})", node_->gpus.size(), node_->gpu_source);
    LookAtDirectories();
    if (is_mpi() && node_->problem.empty()) {
      LookForMpi([this] { LookedAround(); });
    } else {
      LookedAround();
    }
  } else {
    const bool usage = absl::IsInvalidArgument(node.status());
    Fail(CAUSE_CONFIG, usage ? kUsage : kInternal,
         std::string(node.status().message()));
  }
  loop_.run();

  // Nothing of the job may be left when this process has ended.
  workers_->Close();
  mpi_.reset();
  RemoveFiles();
  if (host_) {
    host_->Shutdown();
    fputs(ReportBlock(*report_, host_->Paths(*report_),
                      isatty(STDERR_FILENO) ? Colour::kOn : Colour::kOff)
              .c_str(),
          stderr);
  } else {
    spdlog::info("{}", ReportLine(*report_));
  }
  return static_cast<int>(report_->exit_code());
}

// A node that can't run its workers says so when all are there, since otherwise
// the others would wait for it until --rdzv-timeout is over.
void Agent::LookedAround() {
  if (!node_->problem.empty()) {
    if (spec_.agreement().max_nodes() == 1) {
      const int code = static_cast<int>(node_->problem_exit_code);
      Fail(code == kNotFound ? CAUSE_SPAWN : CAUSE_CONFIG, code,
           node_->problem);
      return;
    }
    spdlog::error("{}; the job ends once all nodes are here", node_->problem);
  }
  Locate();
}

// ---- The session ----

void Agent::Joined(std::unique_ptr<rendezvous::Session> session) {
  session_ = std::move(session);
  coordinator_alive_.Heard(kCoordinator, Now().at);
  Beat();
}

rendezvous::Session::Callbacks Agent::SessionCallbacks() {
  return {
      .on_message =
          [this](const CoordinatorMessage& message) { Received(message); },
      .on_closed =
          [this](const grpc::Status& status) {
            SessionClosed(status.ok() ? "it hung up" : status.error_message());
          }};
}

void Agent::Received(const CoordinatorMessage& message) {
  coordinator_alive_.Heard(kCoordinator, Now().at);
  switch (message.body_case()) {
    case CoordinatorMessage::kWelcome:
      phase_ = Phase::kWaiting;
      if (message.welcome().expected() > 1) {
        spdlog::info("joined run {}: {} of {} nodes are here",
                     message.welcome().run_id(), message.welcome().joined(),
                     message.welcome().expected());
      }
      break;
    case CoordinatorMessage::kParked:
      phase_ = Phase::kWaiting;
      spdlog::info(
          "the job is complete without this node; it waits as a "
          "spare for the verdict");
      break;
    case CoordinatorMessage::kNotice:
      spdlog::info("{}", message.notice().text());
      break;
    case CoordinatorMessage::kRefusal:
      GotReport(message.refusal().report());
      break;
    case CoordinatorMessage::kAssignment:
      Assigned(message.assignment());
      break;
    case CoordinatorMessage::kCluster:
      Prove(message.cluster());
      break;
    case CoordinatorMessage::kStart:
      StartWorkers();
      break;
    case CoordinatorMessage::kStop:
      StopWorkers(message.stop().now() ? milliseconds(0)
                                       : milliseconds(spec_.stop_grace_ms()));
      break;
    case CoordinatorMessage::kRemote:
      if (mpi_) mpi_->Received(message.remote());
      break;
    case CoordinatorMessage::kRelease:
      Release(message.release().failed());
      break;
    case CoordinatorMessage::kReport:
      concluded_ = true;
      GotReport(message.report());
      break;
    case CoordinatorMessage::kBeatReply:
    case CoordinatorMessage::BODY_NOT_SET:
      break;
  }
}

void Agent::SessionClosed(const std::string& why) {
  session_.reset();
  if (report_) return;
  Report report = FailureReport(
      CAUSE_NODE_LOST, kNodeLost,
      absl::StrCat(spec_.host_name(), " lost the coordinator at ",
                   spec_.endpoint_host(), ":", spec_.endpoint_port(), ": ", why,
                   "; look at that host and its agent's log"));
  report.mutable_first_cause()->set_host(spec_.endpoint_host());
  GotReport(report);
}

void Agent::Beat() {
  const auto now = Now().at;
  const milliseconds heartbeat(spec_.heartbeat_ms());
  if (session_ && now - last_beat_ >= heartbeat) {
    last_beat_ = now;
    AgentMessage message;
    message.mutable_beat();
    SendToCoordinator(std::move(message));
  }
  if (session_ && !coordinator_alive_.Silent(now).empty()) {
    SessionClosed("it was silent for longer than --node-timeout");
  }
  // Often enough that a pause of our own is told from a silent coordinator.
  timer_.expires_after(
      std::min(heartbeat, milliseconds(spec_.node_timeout_ms()) / 8));
  timer_.async_wait([this](asio::error_code error) {
    if (!error) Beat();
  });
}

void Agent::SendToCoordinator(AgentMessage message) {
  if (session_) session_->Send(std::move(message));
}

// ---- The workers ----

void Agent::MakeWorkers(process::KeeperHandle keeper) {
  workers_ = std::make_unique<WorkerGroup>(
      loop_, std::move(keeper), milliseconds(spec_.stop_grace_ms()),
      WorkerGroupCallbacks{
          .on_started =
              [this](const WorkerStarted& event) {
                AgentMessage message;
                *message.mutable_started() = event;
                SendToCoordinator(std::move(message));
              },
          .on_exited =
              [this](const WorkerExited& event) {
                AgentMessage message;
                *message.mutable_exited() = event;
                SendToCoordinator(std::move(message));
                muster::RankEnded status;
                if (event.has_signal()) {
                  status.set_signal(event.signal());
                } else {
                  status.set_exit_code(event.exit_code());
                }
                RankEnded(event.rank(), status);
              },
          .on_not_started =
              [this](const WorkerNotStarted& event) {
                AgentMessage message;
                *message.mutable_not_started() = event;
                SendToCoordinator(std::move(message));
                muster::RankEnded status;
                status.set_exit_code(event.exit_code());
                RankEnded(event.rank(), status);
              },
          .on_output =
              [this](uint32_t rank, bool is_stderr, absl::string_view bytes) {
                output_->Append(rank, is_stderr, bytes);
              },
          .on_output_end =
              [this](uint32_t rank, bool is_stderr) {
                output_->End(rank, is_stderr);
              },
          .on_ended = [this] { WorkersEnded(); },
          .on_gone =
              [this](const std::vector<process::Killed>& killed) {
                WorkersGone(killed);
              },
          .on_keeper_lost =
              [this](const std::string& why) { KeeperLost(why); }});
}

void Agent::StartWorkers() {
  phase_ = Phase::kRunning;
  const Assignment& assignment = assignment_;
  const uint32_t first = assignment.first_rank();
  spdlog::info(
      "node {} of {}: {} of {}, {}", assignment.node_rank(),
      assignment.node_count(), RankRange(first, node_->workers),
      assignment.world_size(),
      StartText(assignment,
                is_mpi() ? absl::StrCat("Open MPI ", mpi_version_.text)
                         : absl::StrCat("backend ", BackendOf(spec_, *node_))));
  own_address_ = assignment.node_rank() == 0
                     ? assignment.master_address()
                     : MakeHello(spec_, *node_, reached_).node().address();
  interface_ = env::InterfaceOf(own_address_).value_or("");

  Introduction introduction;
  introduction.set_run_id(assignment.run_id());
  introduction.set_node_rank(assignment.node_rank());
  introduction.set_first_rank(first);
  introduction.set_workers(node_->workers);
  introduction.set_world_size(assignment.world_size());
  introduction.set_attempt(assignment.attempt());
  std::shared_ptr<grpc::Channel> collector;
  if (spec_.collect()) {
    collector = host_ ? host_->Channel()
                      : rendezvous::Dial(
                            reached_, static_cast<int>(spec_.endpoint_port()),
                            credentials_, rendezvous::ChannelUse::kBulk);
  }
  output_ = std::make_unique<NodeOutput>(
      loop_, spec_, collector, introduction,
      NodeOutputCallbacks{
          .on_pause = [this](bool paused) { workers_->PauseOutput(paused); },
          .on_done =
              [this](const Receipt& receipt, const std::string& problem) {
                OutputDone(receipt, problem);
              }});

  MakeFiles(assignment);
  // With mpirun too: what can't be planned is found before anything starts.
  absl::StatusOr<std::vector<WorkerPlan>> plans =
      PlanWorkers(spec_, *node_, assignment, interface_, inherited_,
                  job_temp_ ? job_temp_->path() : "", cluster_);
  if (!plans.ok()) {
    FailNode(std::string(plans.status().message()));
    WorkersGone({});
    return;
  }
  MakeDirectory(spec_.log_dir());
  MakeDirectory(spec_.output_dir());
  if (is_mpi()) {
    StartMpi();
  } else {
    workers_->Start(*std::move(plans), TakeMasterPort(),
                    task_ports_ ? task_ports_->Release() : std::vector<int>());
  }
}

// For the start of the first worker of this node; -1 where rank 0 is not here.
int Agent::TakeMasterPort() {
  const int held_port = node_->master_port.ReleaseFd();
  if (assignment_.node_rank() == 0 || held_port < 0) return held_port;
  close(held_port);
  return -1;
}

void Agent::StopWorkers(milliseconds grace) {
  stopping_ = true;
  if (mpi_) {
    mpi_->CloseDoor();
    workers_->Forgo("the job was stopped before mpirun had started it");
  }
  workers_->Stop(grace);
}

void Agent::WorkersEnded() {
  // Under mpirun the coordinator says when those of the other nodes have ended
  // too; who has no coordinator any more does not wait for it.
  if (!mpi_ || report_) workers_->Finish();
}

void Agent::FailNode(const std::string& why) {
  spdlog::error("{}", why);
  AgentMessage message;
  message.mutable_failed()->set_message(
      absl::StrCat(spec_.host_name(), ": ", why));
  SendToCoordinator(std::move(message));
}

void Agent::KeeperLost(const std::string& why) {
  const std::string text = absl::StrCat(
      "the keeper of this node's workers ended and took them along: ", why);
  if (phase_ == Phase::kRunning) {
    FailNode(text);
  } else if (phase_ < Phase::kRunning) {
    Fail(CAUSE_NODE_LOST, kNodeLost, text);
  }
}

void Agent::WorkersGone(const std::vector<process::Killed>& killed) {
  for (const process::Killed& process : killed) {
    // mpirun's processes end when it does, at their own pace.
    spdlog::log(mpi_ && IsOpenMpis(process.name) ? spdlog::level::debug
                                                 : spdlog::level::warn,
                "ended pid {} ({}), which a worker had left behind{}",
                process.pid, process.name,
                process.gone ? ""
                             : "; it does not die: a driver or a file "
                               "system hangs");
  }
  phase_ = Phase::kDraining;
  if (report_) {
    Leave();
  } else {
    output_->Close();
  }
}

void Agent::OutputDone(const Receipt& receipt, const std::string& problem) {
  if (!problem.empty()) FailNode(problem);
  AgentMessage message;
  message.mutable_drained()->set_log_bytes(receipt.log_bytes());
  message.mutable_drained()->set_output_bytes(receipt.output_bytes());
  SendToCoordinator(std::move(message));
}

// ---- The end ----

void Agent::AwaitSignal() {
  signals_.async_wait([this](asio::error_code error, int signo) {
    if (error) return;
    GotSignal(signo);
    AwaitSignal();
  });
}

void Agent::GotSignal(int signo) {
  if (signo == SIGCHLD) {
    workers_->ReapStrays();
    return;
  }
  if (signo == SIGUSR1 || signo == SIGUSR2) {
    workers_->SignalAll(signo);
    return;
  }
  const bool urgent = ++urgency_ > 1;
  if (!urgent) cancelled_by_ = signo;
  const std::string name = process::SignalName(signo);
  if (phase_ < Phase::kPreparing || (phase_ == Phase::kPreparing && urgent)) {
    if (host_ && !urgent) {
      host_->coordinator().CancelJoin(signo);
    } else {
      Fail(CAUSE_CANCELLED, kSignalBase + signo,
           absl::StrCat("cancelled by ", name, " before the start"));
    }
    return;
  }
  spdlog::info("{}: {}", name,
               urgent ? "killing all workers at once"
                      : "stopping all workers; once more kills them at once");
  SendCancel(signo);
  if (urgent) {
    StopWorkers(milliseconds(0));
    if (output_) output_->Hurry();
  }
}

void Agent::SendCancel(int signo) {
  AgentMessage message;
  message.mutable_cancel()->set_signal(signo);
  SendToCoordinator(std::move(message));
}

Report Agent::FailureReport(CauseKind kind, uint32_t exit_code,
                            const std::string& message) const {
  Report report;
  report.set_result(kind == CAUSE_CANCELLED ? RESULT_CANCELLED
                    : kind == CAUSE_AUTH    ? RESULT_REFUSED
                                            : RESULT_FAILED);
  report.set_exit_code(exit_code);
  Cause* cause = report.mutable_first_cause();
  cause->set_kind(kind);
  cause->set_host(spec_.host_name());
  cause->set_at_unix_ms(Now().unix_ms);
  cause->set_message(message);
  return report;
}

void Agent::Fail(CauseKind kind, uint32_t exit_code,
                 const std::string& message) {
  GotReport(FailureReport(kind, exit_code, message));
}

void Agent::GotReport(const Report& report) {
  if (report_) return;
  report_ = report;
  if (!spec_.report_file().empty()) {
    WriteReport(report, spec_.report_file());
  }
  if (workers_->active()) {
    StopWorkers(milliseconds(spec_.stop_grace_ms()));
    if (workers_->ended()) workers_->Finish();
  } else {
    Leave();
  }
}

void Agent::Leave() {
  phase_ = Phase::kLeaving;
  timer_.cancel();
  joiner_.reset();
  proof_.reset();
  task_ports_.reset();
  // The coordinator leaves last, once everybody else has been told and has
  // hung up.
  if (host_ && concluded_ && !host_idle_) return;
  loop_.stop();
}

}  // namespace muster::launcher
