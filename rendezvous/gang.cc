#include "rendezvous/gang.h"

#include <csignal>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rendezvous/causes.h"
#include "rendezvous/exit_codes.h"
#include "rendezvous/task_layout.h"

namespace muster::rendezvous {
namespace {

// Sessions are numbered from 1.
constexpr SessionId kNoSession = 0;

std::string CancelText(uint32_t signal, const std::string& host) {
  return absl::StrCat("cancelled by signal ", signal, " on ", host);
}

}  // namespace

Gang::Gang(const Options& options, const std::vector<Member>& members,
           Moment now)
    : options_(options),
      launcher_running_(options.has_launcher),
      last_notice_(now.at),
      phase_start_(now.at) {
  report_.set_run_id(options.run_id);
  report_.set_nodes(members.size());
  report_.mutable_durations()->set_join(options.join_seconds);
  report_.mutable_durations()->set_fabric(options.fabric_seconds);
  std::set<TaskRole> roles;
  for (const Member& member : members) {
    for (const Task& task : member.assignment.tasks()) {
      roles.insert(task.role());
    }
  }
  for (const Member& member : members) {
    Node node{member, {}};
    node.workers.resize(member.facts.workers());
    for (const Task& task : member.assignment.tasks()) {
      Worker& worker =
          node.workers[task.rank() - member.assignment.first_rank()];
      worker.only_serves = OnlyServes(task.role(), roles);
      worker.trains = !worker.only_serves && task.role() != TASK_ROLE_EVALUATOR;
    }
    for (const Worker& worker : node.workers) {
      to_await_ += !worker.only_serves;
      to_train_ += worker.trains;
    }
    to_start_ += node.workers.size();
    node_of_[member.session] = nodes_.size();
    nodes_.push_back(std::move(node));
    report_.set_world_size(member.assignment.world_size());
  }
  to_end_ = to_start_;
  to_drain_ = nodes_.size();
}

Outbox Gang::Started(SessionId session, const WorkerStarted& event,
                     Moment now) {
  Outbox out;
  Node* node = Find(session);
  Worker* worker = node ? Find(node, event.rank()) : nullptr;
  if (!worker) return out;
  Start(worker, event.pid());
  Advance(now, &out);
  return out;
}

Outbox Gang::Exited(SessionId session, const WorkerExited& event, Moment now) {
  Outbox out;
  Node* node = Find(session);
  Worker* worker = node ? Find(node, event.rank()) : nullptr;
  if (!worker) return out;
  End(worker);
  const bool signaled = event.status_case() == WorkerExited::kSignal;
  // Stopped by us, its work done: no failure, whatever it makes of SIGTERM.
  const bool dismissed = worker->only_serves && state_ == State::kStopping &&
                         !report_.has_first_cause();
  if (!dismissed && (signaled || event.exit_code() != 0)) {
    const bool victim =
        report_.has_first_cause() && signaled &&
        (event.signal() == SIGTERM || event.signal() == SIGKILL);
    Cause cause;
    if (victim) {
      cause = CauseOn(node->member, CAUSE_CANCELLED, "", now);
    } else if (signaled) {
      cause =
          CauseOn(node->member, CAUSE_SIGNAL, SignalHint(event.signal()), now);
      cause.set_signal(event.signal());
    } else {
      cause =
          CauseOn(node->member, CAUSE_EXIT, "its standard error says why", now);
      cause.set_exit_code(event.exit_code());
    }
    CauseOfWorker(*node, *worker, event.rank(), &cause);
    SetTail(event.stderr_tail(), &cause);
    Fail(std::move(cause), signaled ? 128 + event.signal() : event.exit_code(),
         now, &out);
  }
  Advance(now, &out);
  return out;
}

Outbox Gang::NotStarted(SessionId session, const WorkerNotStarted& event,
                        Moment now) {
  Outbox out;
  Node* node = Find(session);
  Worker* worker = node ? Find(node, event.rank()) : nullptr;
  if (!worker) return out;
  End(worker);
  Cause cause = CauseOn(node->member, CAUSE_SPAWN, event.message(), now);
  CauseOfWorker(*node, *worker, event.rank(), &cause);
  Fail(std::move(cause), event.exit_code(), now, &out);
  Advance(now, &out);
  return out;
}

Outbox Gang::Drained(SessionId session, const NodeDrained& event, Moment now) {
  Outbox out;
  Node* node = Find(session);
  if (!node || node->over) return out;
  End(node);
  report_.set_log_bytes(report_.log_bytes() + event.log_bytes());
  report_.set_output_bytes(report_.output_bytes() + event.output_bytes());
  if (event.has_missing()) {
    Miss(*node, event.missing().message()).set_bytes(event.missing().bytes());
  }
  Advance(now, &out);
  return out;
}

Outbox Gang::NodeFailed(SessionId session, const std::string& message,
                        Moment now) {
  Outbox out;
  Node* node = Find(session);
  if (!node || node->over) return out;
  EndWorkers(node);
  Fail(CauseOn(node->member, CAUSE_NODE_LOST, message, now), kExitNodeLost, now,
       &out);
  Advance(now, &out);
  return out;
}

Outbox Gang::Lost(SessionId session, const std::string& why, Moment now) {
  Outbox out;
  Node* node = Find(session);
  // Who hangs up after its output has arrived is missed only while others
  // still work: then the job can no longer end on that node.
  if (!node || state_ == State::kFinished) return out;
  if (!lost_.insert(session).second) return out;
  End(node);
  Fail(CauseOn(node->member, CAUSE_NODE_LOST,
               absl::StrCat(NodeNameAndAddress(node->member), " was lost: ",
                            why, "; look at that host and its agent's log"),
               now),
       kExitNodeLost, now, &out);
  Advance(now, &out);
  return out;
}

Outbox Gang::Cancel(SessionId session, uint32_t signal, Moment now) {
  Outbox out;
  const Node* node = Find(session);
  if (!node || state_ == State::kFinished) return out;
  Cancelled(session,
            CauseOn(node->member, CAUSE_CANCELLED,
                    CancelText(signal, node->member.facts.host_name()), now),
            signal, now, &out);
  return out;
}

Outbox Gang::Cancel(const std::string& host, uint32_t signal, Moment now) {
  Outbox out;
  if (state_ == State::kFinished) return out;
  Cause cause;
  cause.set_kind(CAUSE_CANCELLED);
  cause.set_host(host);
  cause.set_at_unix_ms(now.unix_ms);
  cause.set_message(CancelText(signal, host));
  Cancelled(kNoSession, std::move(cause), signal, now, &out);
  return out;
}

void Gang::Cancelled(SessionId by, Cause cause, uint32_t signal, Moment now,
                     Outbox* out) {
  const uint32_t times = ++cancels_[by];
  // When all workers have ended, there is nothing to cancel but the wait for
  // the collector.
  if (!report_.has_first_cause() && state_ != State::kCollecting) {
    cause.set_signal(signal);
    Fail(std::move(cause), 128 + signal, now, out);
  } else if (times > 1) {
    CoordinatorMessage message;
    message.mutable_stop()->set_now(true);
    message.mutable_stop()->set_output(state_ == State::kCollecting);
    Broadcast(message, out);
  }
  Advance(now, out);
}

Outbox Gang::Tick(Moment now) {
  Outbox out;
  if (options_.has_launcher) TickServices(now, &out);
  if (state_ != State::kCollecting || now.at - phase_start_ < kCollect) {
    return out;
  }
  for (Node& node : nodes_) {
    if (node.over) continue;
    End(&node);
    Miss(node, absl::StrCat("the output of ", node.member.facts.host_name(),
                            " did not arrive within ",
                            kCollect / std::chrono::minutes(1),
                            "m; what is missing is on that host, in its "
                            "--spool-dir, --log-dir and --output-dir"));
  }
  Advance(now, &out);
  return out;
}

MissingOutput& Gang::Miss(const Node& node, const std::string& message) {
  MissingOutput& missing = missing_output_[node.member.assignment.node_rank()];
  missing.set_node(node.member.assignment.node_rank());
  missing.set_host(node.member.facts.host_name());
  missing.set_message(message);
  return missing;
}

Gang::Node* Gang::Find(SessionId session) {
  const auto it = node_of_.find(session);
  return it == node_of_.end() ? nullptr : &nodes_[it->second];
}

Gang::Worker* Gang::Find(Node* node, uint32_t rank) {
  const uint32_t first = node->member.assignment.first_rank();
  if (rank < first || rank - first >= node->workers.size()) return nullptr;
  Worker* worker = &node->workers[rank - first];
  return worker->ended ? nullptr : worker;
}

void Gang::CauseOfWorker(const Node& node, const Worker& worker, uint32_t rank,
                         Cause* cause) const {
  cause->set_rank(rank);
  cause->set_local_rank(rank - node.member.assignment.first_rank());
  if (worker.pid != 0) cause->set_pid(worker.pid);
  const int local_rank = static_cast<int>(cause->local_rank());
  if (local_rank < node.member.assignment.tasks_size()) {
    const Task& task = node.member.assignment.tasks(local_rank);
    cause->set_task_type(TaskTypeName(task.role()));
    cause->set_task_index(task.index());
  }
}

void Gang::Fail(Cause cause, uint32_t exit_code, Moment now, Outbox* out) {
  if (report_.has_first_cause()) {
    AddOther(cause, &report_);
    return;
  }
  SetVerdict(std::move(cause), exit_code, &report_);
  first_cause_at_ = now.at;
  if (state_ == State::kStarting || state_ == State::kRunning) {
    StopAll(now, out);
  }
}

void Gang::StopAll(Moment now, Outbox* out) {
  const double elapsed = Seconds(now.at - phase_start_);
  if (state_ == State::kStarting) {
    report_.mutable_durations()->set_start(elapsed);
  } else {
    report_.mutable_durations()->set_run(elapsed);
  }
  state_ = State::kStopping;
  phase_start_ = now.at;
  CoordinatorMessage message;
  message.mutable_stop();
  Broadcast(message, out);
}

void Gang::Start(Worker* worker, int64_t pid) {
  if (!worker->started) --to_start_;
  worker->started = true;
  worker->pid = pid;
}

void Gang::End(Worker* worker) {
  if (worker->ended) return;
  if (!worker->started) --to_start_;
  worker->started = true;
  worker->ended = true;
  --to_end_;
  to_await_ -= !worker->only_serves;
  to_train_ -= worker->trains;
}

void Gang::End(Node* node) {
  EndWorkers(node);
  if (!node->over) --to_drain_;
  node->over = true;
}

void Gang::EndWorkers(Node* node) {
  for (Worker& worker : node->workers) End(&worker);
  if (node == &nodes_.front()) launcher_running_ = false;
}

void Gang::Broadcast(const CoordinatorMessage& message, Outbox* out) const {
  for (const Node& node : nodes_) {
    out->push_back({node.member.session, message});
  }
}

void Gang::Advance(Moment now, Outbox* out) {
  if (state_ == State::kStarting && to_start_ == 0) {
    report_.mutable_durations()->set_start(Seconds(now.at - phase_start_));
    state_ = State::kRunning;
    phase_start_ = now.at;
  }
  if (state_ == State::kRunning && to_train_ == 0 && to_await_ > 0 &&
      !evaluator_told_) {
    evaluator_told_ = true;
    CoordinatorMessage message;
    message.mutable_notice()->set_text(
        "the training has ended; waiting for the evaluator to end");
    Broadcast(message, out);
  }
  if (state_ == State::kRunning && to_end_ > 0 && to_await_ == 0) {
    StopAll(now, out);
  }
  if ((state_ == State::kRunning || state_ == State::kStopping) &&
      to_end_ == 0) {
    if (options_.has_launcher) Release(now, out);
    if (!launcher_running_) EnterCollecting(now);
  }
  if (state_ == State::kCollecting && to_drain_ == 0) {
    Finish(now, out);
  }
}

void Gang::EnterCollecting(Moment now) {
  const double elapsed = Seconds(now.at - phase_start_);
  if (state_ == State::kRunning) {
    report_.mutable_durations()->set_run(elapsed);
  } else {
    report_.mutable_durations()->set_stop(elapsed);
  }
  state_ = State::kCollecting;
  phase_start_ = now.at;
}

void Gang::Finish(Moment now, Outbox* out) {
  report_.mutable_durations()->set_collect(Seconds(now.at - phase_start_));
  for (auto& [rank, missing] : missing_output_) {
    if (!report_.has_first_cause()) {
      SetVerdict(
          CauseOn(nodes_[rank].member, CAUSE_OUTPUT, missing.message(), now),
          kExitNodeLost, &report_);
    }
    *report_.add_missing_output() = std::move(missing);
  }
  if (!report_.has_first_cause()) report_.set_result(RESULT_SUCCEEDED);
  state_ = State::kFinished;
  CoordinatorMessage message;
  *message.mutable_report() = report_;
  Broadcast(message, out);
}

}  // namespace muster::rendezvous
