#include "rendezvous/roster.h"

#include <bit>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rendezvous/agreement.h"
#include "rendezvous/causes.h"
#include "rendezvous/exit_codes.h"
#include "rendezvous/rank_order.h"
#include "rendezvous/some_names.h"
#include "rendezvous/task_layout.h"

namespace muster::rendezvous {
namespace {

bool IsLoopback(const std::string& address) {
  return address.empty() || absl::StartsWith(address, "127.") ||
         address == "::1";
}

// Of two nodes with different versions of Open MPI, which do not understand
// each other; "" for the same one.
std::string MpiDifference(const NodeFacts& first, const NodeFacts& other) {
  if (first.mpi().version() == other.mpi().version() ||
      first.mpi().version().empty()) {
    return "";
  }
  return absl::StrCat(other.host_name(), " has Open MPI ",
                      other.mpi().version(), " and ", first.host_name(),
                      " has ", first.mpi().version(),
                      "; install the same version on both");
}

}  // namespace

std::string MasterAddress(const std::vector<Member>& members) {
  const std::string& own = members.front().facts.address();
  if (!IsLoopback(own)) return own;
  for (const Member& member : members) {
    if (!IsLoopback(member.facts.reached())) return member.facts.reached();
  }
  return own;
}

Roster::Roster(RosterOptions options, Moment now)
    : options_(std::move(options)), start_(now.at), last_notice_(now.at) {}

void Roster::Opened(SessionId session, const std::string& peer) {
  silent_[session] = peer;
}

Outbox Roster::Hello(SessionId session, const muster::Hello& hello,
                     Moment now) {
  Outbox out;
  silent_.erase(session);
  if (std::optional<Send> refusal = Refuse(session, hello)) {
    out.push_back(*std::move(refusal));
    refused_.push_back(hello.node().host_name());
    NotifyAll(
        absl::StrCat(
            hello.node().host_name(), " was refused: ",
            out.front().message.refusal().report().first_cause().message()),
        &out);
    return out;
  }
  if (state_ == State::kSealed) {
    parked_.insert(session);
    Send send{session, {}};
    send.message.mutable_parked();
    out.push_back(std::move(send));
    return out;
  }
  if (state_ == State::kFailed) {
    Send send{session, {}};
    *send.message.mutable_report() = report_;
    out.push_back(std::move(send));
    return out;
  }

  joined_[session] = hello.node();
  Send welcome{session, {}};
  Welcome* body = welcome.message.mutable_welcome();
  body->set_run_id(options_.run_id);
  body->set_joined(joined_.size());
  body->set_expected(max_nodes());
  out.push_back(std::move(welcome));
  if (!hello.node().problem().empty() && joined_.size() < max_nodes()) {
    NotifyAll(absl::StrCat(hello.node().host_name(),
                           " can't take part: ", hello.node().problem(),
                           "; the job ends once all nodes are here"),
              &out);
  }
  if (joined_.size() == max_nodes()) {
    Seal(now, &out);
  } else if (joined_.size() >= min_nodes() && !last_call_) {
    last_call_ = now.at + kLastCall;
  }
  return out;
}

std::optional<Send> Roster::Refuse(SessionId session,
                                   const muster::Hello& hello) {
  const NodeFacts& node = hello.node();
  std::vector<std::string> reasons =
      Differences(hello.agreement(), node.host_name(), options_.agreement,
                  options_.our_host);
  if (node.has_node_rank() && node.node_rank() >= max_nodes()) {
    reasons.push_back(absl::StrCat("--node-rank ", node.node_rank(), " of ",
                                   node.host_name(), " is not below --nnodes ",
                                   max_nodes()));
  }
  if (state_ == State::kGathering && node.has_node_rank()) {
    for (const auto& [other, facts] : joined_) {
      if (!facts.has_node_rank() || facts.node_rank() != node.node_rank()) {
        continue;
      }
      reasons.push_back(absl::StrCat("--node-rank ", node.node_rank(), " of ",
                                     node.host_name(), " (", node.address(),
                                     ") is already held by ", facts.host_name(),
                                     " (", facts.address(), ")"));
    }
  }
  if (reasons.empty()) return std::nullopt;

  Send send{session, {}};
  Report* report = send.message.mutable_refusal()->mutable_report();
  report->set_result(RESULT_REFUSED);
  report->set_exit_code(kExitConfig);
  report->set_run_id(options_.run_id);
  Cause* cause = report->mutable_first_cause();
  cause->set_kind(CAUSE_CONFIG);
  cause->set_host(node.host_name());
  cause->set_message(absl::StrJoin(reasons, "; "));
  return send;
}

Outbox Roster::Leave(SessionId session, const std::string& why) {
  Outbox out;
  silent_.erase(session);
  parked_.erase(session);
  const auto it = joined_.find(session);
  if (it == joined_.end() || state_ != State::kGathering) return out;
  const std::string host = it->second.host_name();
  joined_.erase(it);
  if (joined_.size() < min_nodes()) last_call_.reset();
  NotifyAll(
      absl::StrCat(host, " left before the start: ", why, "; ", Progress()),
      &out);
  return out;
}

Outbox Roster::Rejected(const std::string& reason) {
  Outbox out;
  const uint32_t times = ++rejections_[reason];
  // Told once, and again each time it doubles: a port scan must not become a
  // flood of messages.
  if (state_ == State::kGathering && std::has_single_bit(times)) {
    NotifyAll(absl::StrCat("turned away: ", reason, "; ", Progress()), &out);
  }
  return out;
}

Outbox Roster::Cancel(uint32_t signal, Moment now) {
  Outbox out;
  if (state_ != State::kGathering) return out;
  Fail(CAUSE_CANCELLED, 128 + signal,
       absl::StrCat("cancelled by signal ", signal, " on ", options_.our_host,
                    " before all nodes had joined; ", Progress()),
       now, &out);
  report_.mutable_first_cause()->set_signal(signal);
  return out;
}

Outbox Roster::Tick(Moment now) {
  Outbox out;
  if (state_ != State::kGathering) return out;
  const bool late = now.at - start_ >= options_.join_timeout;
  if (joined_.size() >= min_nodes() &&
      (late || (last_call_ && now.at >= *last_call_))) {
    Seal(now, &out);
  } else if (late) {
    Fail(CAUSE_RENDEZVOUS, kExitRendezvous,
         absl::StrCat("not all nodes joined within --rdzv-timeout: ",
                      Progress()),
         now, &out);
  } else if (now.at - last_notice_ >= kProgress) {
    last_notice_ = now.at;
    NotifyAll(absl::StrCat("waiting: ", Progress()), &out);
  }
  return out;
}

void Roster::Seal(Moment now, Outbox* out) {
  std::vector<SessionId> sessions;
  std::vector<NodeFacts> facts;
  for (const auto& [session, node] : joined_) {
    sessions.push_back(session);
    facts.push_back(node);
  }
  for (const size_t i : OrderNodes(facts)) {
    members_.push_back({sessions[i], facts[i], {}});
  }
  if (FailOnProblems(now, out)) return;
  Number(now, out);
  if (state_ == State::kFailed) return;
  join_seconds_ = Seconds(now.at - start_);
  state_ = State::kSealed;
}

Outbox Roster::Assign(const std::map<SessionId, std::string>& left_out,
                      Moment now) {
  Outbox out;
  if (state_ != State::kSealed || assigned_) return out;
  assigned_ = true;
  if (!left_out.empty()) {
    std::erase_if(members_, [&](const Member& member) {
      return left_out.contains(member.session);
    });
    Number(now, &out);
    if (state_ == State::kFailed) return out;
  }
  for (const auto& [session, why] : left_out) {
    parked_.insert(session);
    Send send{session, {}};
    send.message.mutable_left_out()->set_why(why);
    out.push_back(std::move(send));
  }
  google::protobuf::RepeatedPtrField<Peer> peers;
  for (const Member& member : members_) {
    Peer* peer = peers.Add();
    peer->set_address(peers.size() == 1 ? member.assignment.master_address()
                                        : member.facts.address());
    peer->set_workers(member.facts.workers());
    peer->set_host_name(member.facts.host_name());
  }
  for (const Member& member : members_) {
    Send send{member.session, {}};
    Assignment* sent = send.message.mutable_assignment();
    *sent = member.assignment;
    *sent->mutable_peers() = peers;
    if (options_.collector_key) {
      sent->set_collector_key(
          options_.collector_key(*sent, member.facts.workers()));
    }
    out.push_back(std::move(send));
  }
  return out;
}

void Roster::Number(Moment now, Outbox* out) {
  for (Member& member : members_) {
    // Of a TensorFlow job the tasks decide, of any other the node itself.
    member.facts.set_workers(joined_[member.session].workers());
    member.assignment.Clear();
    member.assignment.set_run_id(options_.run_id);
    member.assignment.set_node_rank(&member - members_.data());
    member.assignment.set_node_count(members_.size());
  }
  if (const absl::Status status = AssignTasks(); !status.ok()) {
    Fail(CAUSE_CONFIG, kExitConfig, std::string(status.message()), now, out);
    return;
  }
  uint32_t rank = 0;
  for (Member& member : members_) {
    member.assignment.set_first_rank(rank);
    rank += member.facts.workers();
  }
  const std::string master = MasterAddress(members_);
  for (Member& member : members_) {
    for (Task& task : *member.assignment.mutable_tasks()) {
      task.set_address(
          task.node() == 0 ? master : members_[task.node()].facts.address());
    }
    member.assignment.set_world_size(rank);
    member.assignment.set_master_address(master);
    member.assignment.set_master_port(members_.front().facts.master_port());
  }
}

bool Roster::FailOnProblems(Moment now, Outbox* out) {
  const NodeFacts& first = members_.front().facts;
  Cause cause;
  uint32_t exit_code = 0;
  std::vector<std::string> others;
  for (const Member& member : members_) {
    const NodeFacts& node = member.facts;
    const std::string problem =
        node.problem().empty() ? MpiDifference(first, node) : node.problem();
    if (problem.empty()) continue;
    if (!cause.message().empty()) {
      others.push_back(node.host_name());
      continue;
    }
    exit_code = kExitConfig;
    if (!node.problem().empty()) {
      exit_code =
          node.problem_exit_code() != 0 ? node.problem_exit_code() : kExitUsage;
    }
    cause.set_kind(exit_code == kExitNotFound ? CAUSE_SPAWN : CAUSE_CONFIG);
    cause.set_host(node.host_name());
    if (node.has_node_rank()) cause.set_node(node.node_rank());
    cause.set_at_unix_ms(now.unix_ms);
    cause.set_message(problem);
  }
  if (cause.message().empty()) return false;
  if (!others.empty()) {
    absl::StrAppend(cause.mutable_message(), "; and something of the kind on ",
                    SomeNames(std::move(others)), ", see their own output");
  }
  Fail(std::move(cause), exit_code, now, out);
  return true;
}

absl::Status Roster::AssignTasks() {
  if (options_.agreement.framework() != FRAMEWORK_TENSORFLOW) {
    return absl::OkStatus();
  }
  std::vector<uint32_t> workers;
  for (const Member& member : members_) {
    workers.push_back(member.facts.workers());
  }
  const absl::StatusOr<TaskLayout> layout =
      LayOutTasks(options_.agreement.tasks(), workers);
  if (!layout.ok()) return layout.status();
  for (size_t node = 0; node < members_.size(); ++node) {
    Member& member = members_[node];
    for (const Task& task : (*layout)[node]) {
      *member.assignment.add_tasks() = task;
    }
    member.facts.set_workers(member.assignment.tasks_size());
  }
  return absl::OkStatus();
}

void Roster::Fail(CauseKind kind, uint32_t exit_code,
                  const std::string& message, Moment now, Outbox* out) {
  Cause cause;
  cause.set_kind(kind);
  cause.set_host(options_.our_host);
  cause.set_at_unix_ms(now.unix_ms);
  cause.set_message(message);
  Fail(std::move(cause), exit_code, now, out);
}

void Roster::Fail(Cause cause, uint32_t exit_code, Moment now, Outbox* out) {
  state_ = State::kFailed;
  members_.clear();
  join_seconds_ = Seconds(now.at - start_);
  report_.set_run_id(options_.run_id);
  report_.set_nodes(joined_.size());
  report_.mutable_durations()->set_join(join_seconds_);
  SetVerdict(std::move(cause), exit_code, &report_);
  for (const auto& [session, node] : joined_) {
    Send send{session, {}};
    *send.message.mutable_report() = report_;
    out->push_back(std::move(send));
  }
}

void Roster::NotifyAll(const std::string& text, Outbox* out) const {
  for (const auto& [session, node] : joined_) {
    Send send{session, {}};
    send.message.mutable_notice()->set_text(text);
    out->push_back(std::move(send));
  }
}

}  // namespace muster::rendezvous
