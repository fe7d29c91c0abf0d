// The agent between its assignment and the start of its workers.
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "launcher/agent.h"
#include "launcher/exit_codes.h"
#include "launcher/log.h"
#include "launcher/worker_plan.h"

namespace muster::launcher {

void Agent::Assigned(const Assignment& assignment) {
  assignment_ = assignment;
  if (assignment.tasks().empty()) {
    StartWorkers();
  } else {
    phase_ = Phase::kPreparing;
    node_->workers = assignment.tasks_size();
    Prepare();
  }
  // The signal was for the waiting nodes, and came when there were none.
  if (cancelled_by_ != 0) SendCancel(cancelled_by_);
}

void Agent::Prepare() {
  AgentMessage message;
  const auto fail = [&](CauseKind kind, int exit_code, std::string why) {
    spdlog::error("{}", why);
    message.mutable_unprepared()->set_kind(kind);
    message.mutable_unprepared()->set_exit_code(exit_code);
    message.mutable_unprepared()->set_message(std::move(why));
  };
  const auto gpus = ShareOfGpus(spec_, *node_, assignment_);
  auto ports = TaskPorts::Listen(loop_, assignment_.tasks(),
                                 spec_.agreement().tasks().base_port());
  if (!gpus.ok()) {
    fail(CAUSE_CONFIG, kUsage, std::string(gpus.status().message()));
  } else if (!ports.ok()) {
    std::string why(ports.status().message());
    if (absl::IsAlreadyExists(ports.status())) {
      absl::StrAppend(&why, "; end that program or choose another --base-port");
    }
    fail(CAUSE_RENDEZVOUS, kRendezvous, std::move(why));
  } else {
    task_ports_ = *std::move(ports);
    for (const uint16_t port : task_ports_->ports()) {
      message.mutable_prepared()->add_ports(port);
    }
  }
  SendToCoordinator(std::move(message));
}

void Agent::Prove(const Cluster& cluster) {
  cluster_ = cluster;
  proof_ = std::make_unique<rendezvous::PortProof>(
      loop_, cluster, [this](const Proved& proved) {
        AgentMessage message;
        *message.mutable_proved() = proved;
        SendToCoordinator(std::move(message));
      });
}

}  // namespace muster::launcher
