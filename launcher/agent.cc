#include "launcher/agent.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "launcher/exit_codes.h"
#include "launcher/log.h"
#include "launcher/process/exit_status.h"
#include "launcher/process/orphans.h"
#include "launcher/report_json.h"
#include "launcher/report_text.h"

namespace muster::launcher {
namespace {

using rendezvous::Now;
using std::chrono::milliseconds;

// The coordinator, as the only one whose signs of life this agent watches.
constexpr rendezvous::SessionId kCoordinator = 0;

void WriteReport(const Report& report, const std::string& path) {
  std::ofstream file(path);
  file << ReportToJson(report) << std::flush;
  if (!file) spdlog::error("--report {}: {}", path, strerror(errno));
}

}  // namespace

Agent::Agent(JobSpec spec, AgentCredentials credentials,
             process::KeeperHandle keeper, env::Variables inherited,
             bool as_json)
    : spec_(std::move(spec)),
      credentials_(std::move(credentials)),
      inherited_(std::move(inherited)),
      as_json_(as_json),
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
    if (PrintTest()) return static_cast<int>(report_->exit_code());
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
  LocateCollector([this] { Locate(); });
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
  if (node_test_ && node_test_->Handle(message)) return;
  // Other nodes may be faster: a stop must not come before what it stops.
  if (after_test_ && !message.has_report() && !message.has_notice()) {
    later_.push_back(message);
    return;
  }
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
    case CoordinatorMessage::kFabricStart:
      Test(message);
      break;
    case CoordinatorMessage::kLeftOut:
      spdlog::error(
          "the job starts without this node, which failed the self-test: {}; "
          "it waits for the verdict",
          message.left_out().why());
      EndTest([this] { phase_ = Phase::kWaiting; });
      break;
    case CoordinatorMessage::kAssignment:
      EndTest(
          [this, assignment = message.assignment()] { Assigned(assignment); });
      break;
    case CoordinatorMessage::kCluster:
      Prove(message.cluster());
      break;
    case CoordinatorMessage::kStart:
      StartWorkers();
      break;
    case CoordinatorMessage::kStop:
      if (message.stop().now()) {
        KillWorkers();
      } else {
        StopWorkers(milliseconds(spec_.stop_grace_ms()));
      }
      if (message.stop().output() && output_) {
        output_->Hurry("a second signal to another node ended the wait");
      }
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
    case CoordinatorMessage::kFabricRound:
    case CoordinatorMessage::kStoreValue:
    case CoordinatorMessage::kFabricStop:
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
  if (phase_ < Phase::kTesting || (phase_ <= Phase::kPreparing && urgent)) {
    if (host_ && !urgent) {
      host_->coordinator().CancelJoin(signo);
    } else {
      Fail(CAUSE_CANCELLED, kSignalBase + signo,
           absl::StrCat("cancelled by ", name, " before the start"));
    }
    return;
  }
  const std::string awaited = AwaitedCollector();
  if (awaited.empty()) {
    spdlog::info("{}: {}", name,
                 urgent ? "killing all workers at once"
                        : "stopping all workers; once more kills them at once");
  } else if (urgent) {
    spdlog::info("{}: no longer waiting for {}", name, awaited);
  } else {
    spdlog::info("{}: waiting for {}; once more ends the wait", name, awaited);
  }
  SendCancel(signo);
  if (urgent) {
    KillWorkers();
    if (output_) {
      output_->Hurry(
          absl::StrCat("a second signal (", name, ") ended the wait"));
    }
    if (record_closing_) host_->HurryRecord(milliseconds(0));
  }
}

void Agent::KillWorkers() {
  StopWorkers(milliseconds(0));
  workers_->Hurry();
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
  } else if (phase_ == Phase::kDraining && !output_done_) {
    HurryOutput();
  } else {
    EndTest([this] { Leave(); });
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
  if (host_ && !record_closed_) return CloseRecord();
  loop_.stop();
}

}  // namespace muster::launcher
