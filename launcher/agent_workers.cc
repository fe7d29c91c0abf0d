// The agent's workers: from the start to the moment when nothing is left.
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "env/hardware/interfaces.h"
#include "launcher/agent.h"
#include "launcher/exit_codes.h"
#include "launcher/log.h"
#include "launcher/worker_plan.h"
#include "rendezvous/task_layout.h"

namespace muster::launcher {
namespace {

using std::chrono::milliseconds;

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
              [this](uint32_t rank, bool is_stderr, StreamEnd how) {
                output_->End(rank, is_stderr, how);
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
  interface_ = env::InterfaceOf(OwnAddress()).value_or("");

  if (absl::Status made = MakeOutput(); !made.ok()) {
    output_.reset();
    FailNode(std::string(made.message()));
    WorkersGone({});
    return;
  }
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

const std::string& Agent::OwnAddress() const {
  return assignment_.peers(static_cast<int>(assignment_.node_rank())).address();
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
  if (output_) {
    CloseOutput();
  } else {
    OutputDone({});
  }
}

}  // namespace muster::launcher
