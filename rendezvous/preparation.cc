#include "rendezvous/preparation.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rendezvous/causes.h"
#include "rendezvous/exit_codes.h"
#include "rendezvous/host_port.h"
#include "rendezvous/some_names.h"
#include "rendezvous/task_layout.h"

namespace muster::rendezvous {
namespace {

constexpr size_t kPairsShown = 8;

}  // namespace

bool NeedsPreparation(const std::vector<Member>& members) {
  return std::any_of(members.begin(), members.end(), [](const Member& member) {
    return member.assignment.tasks_size() > 0;
  });
}

Preparation::Preparation(const std::string& run_id, std::vector<Member> members,
                         double join_seconds, Moment now)
    : members_(std::move(members)), start_(now.at) {
  report_.set_run_id(run_id);
  report_.set_nodes(members_.size());
  report_.mutable_durations()->set_join(join_seconds);
  for (const Member& member : members_) {
    node_of_.emplace(member.session, node_of_.size());
    awaited_.insert(member.session);
    report_.set_world_size(member.assignment.world_size());
  }
}

Outbox Preparation::Prepared(SessionId session, const muster::Prepared& event,
                             Moment now) {
  Outbox out;
  Member* member = Find(session);
  if (!member || state_ != State::kPreparing) return out;
  auto* tasks = member->assignment.mutable_tasks();
  if (event.ports_size() != tasks->size()) {
    Fail(CAUSE_RENDEZVOUS, kExitInternal, *member,
         absl::StrCat(NodeName(*member), " holds ", event.ports_size(),
                      " ports for ", tasks->size(),
                      " tasks: a fault of muster's own"),
         now);
    return out;
  }
  for (int i = 0; i < tasks->size(); ++i) {
    (*tasks)[i].set_port(event.ports(i));
  }
  awaited_.erase(session);
  if (!awaited_.empty()) return out;
  for (const Member& each : members_) {
    for (const Task& task : each.assignment.tasks()) tasks_.push_back(task);
  }
  if (FailForTwins(now)) return out;
  state_ = State::kProving;
  CoordinatorMessage message;
  message.mutable_cluster()->mutable_tasks()->Add(tasks_.begin(), tasks_.end());
  Broadcast(message, &out);
  return out;
}

void Preparation::Unprepared(SessionId session, const muster::Unprepared& event,
                             Moment now) {
  const Member* member = Find(session);
  if (!member) return;
  Fail(event.kind(), event.exit_code(), *member,
       absl::StrCat(NodeName(*member), ": ", event.message()), now);
}

Outbox Preparation::Proved(SessionId session, const muster::Proved& event,
                           Moment now) {
  Outbox out;
  const Member* member = Find(session);
  if (!member || state_ != State::kProving) return out;
  if (awaited_.erase(session) == 0) return out;
  if (event.unreachable_size() > 0) {
    unreached_[member->assignment.node_rank()] = event;
  }
  if (!awaited_.empty()) return out;
  if (!unreached_.empty()) {
    FailUnreachable(now);
    return out;
  }
  state_ = State::kReady;
  seconds_ = Seconds(now.at - start_);
  CoordinatorMessage message;
  message.mutable_start();
  Broadcast(message, &out);
  return out;
}

void Preparation::NodeFailed(SessionId session, const std::string& message,
                             Moment now) {
  const Member* member = Find(session);
  if (!member) return;
  Fail(CAUSE_NODE_LOST, kExitNodeLost, *member, message, now);
}

void Preparation::Lost(SessionId session, const std::string& why, Moment now) {
  const Member* member = Find(session);
  if (!member) return;
  Fail(CAUSE_NODE_LOST, kExitNodeLost, *member,
       absl::StrCat(NodeNameAndAddress(*member), " was lost before the start: ",
                    why, "; look at that host and its agent's log"),
       now);
}

void Preparation::Cancel(SessionId session, uint32_t signal, Moment now) {
  const Member* member = Find(session);
  if (!member) return;
  Fail(CAUSE_CANCELLED, 128 + signal, *member,
       absl::StrCat("cancelled by signal ", signal, " on ",
                    member->facts.host_name(), " before the start"),
       now);
  report_.mutable_first_cause()->set_signal(signal);
}

void Preparation::Tick(Moment now) {
  if (over() || now.at - start_ < kPrepare) return;
  const Member* member = nullptr;
  for (const Member& each : members_) {
    if (member == nullptr && awaited_.count(each.session) > 0) member = &each;
  }
  Fail(
      CAUSE_RENDEZVOUS, kExitRendezvous, *member,
      absl::StrCat(state_ == State::kPreparing
                       ? "not all nodes hold the ports of their tasks after "
                       : "not all nodes have tried the ports of the job after ",
                   std::chrono::seconds(kPrepare).count(),
                   " s: nothing was heard of ", Awaited()),
      now);
}

Member* Preparation::Find(SessionId session) {
  if (over()) return nullptr;
  const auto it = node_of_.find(session);
  return it == node_of_.end() ? nullptr : &members_[it->second];
}

std::string Preparation::NameOf(uint32_t node) const {
  return NodeName(members_[node]);
}

std::string Preparation::Awaited() const {
  std::vector<std::string> names;
  for (const Member& member : members_) {
    if (awaited_.count(member.session) > 0) names.push_back(NodeName(member));
  }
  return SomeNames(std::move(names));
}

std::string Preparation::Pair(uint32_t node,
                              const Unreachable& unreachable) const {
  if (unreachable.task() >= tasks_.size()) {
    return absl::StrCat(NameOf(node), " can't reach a task that there is not");
  }
  const Task& task = tasks_[unreachable.task()];
  return absl::StrCat(NameOf(node), " can't reach ",
                      task.node() == node ? "itself" : NameOf(task.node()),
                      " at ", HostPort(task.address(), task.port()), " (",
                      TaskName(task.role(), task.index()),
                      "): ", unreachable.why());
}

void Preparation::Broadcast(const CoordinatorMessage& message, Outbox* out) {
  for (const Member& member : members_) {
    awaited_.insert(member.session);
    out->push_back({member.session, message});
  }
}

bool Preparation::FailForTwins(Moment now) {
  std::map<std::string, const Task*> seen;
  for (const Task& task : tasks_) {
    const std::string at = HostPort(task.address(), task.port());
    const auto [twin, fresh] = seen.emplace(at, &task);
    if (fresh) continue;
    const Task& other = *twin->second;
    Fail(CAUSE_RENDEZVOUS, kExitRendezvous, members_[task.node()],
         absl::StrCat(TaskName(other.role(), other.index()), " on ",
                      NameOf(other.node()), " and ",
                      TaskName(task.role(), task.index()), " on ",
                      NameOf(task.node()), " would both be reached at ", at,
                      "; give each node an address of its own with "
                      "--advertise"),
         now);
    return true;
  }
  return false;
}

void Preparation::FailUnreachable(Moment now) {
  std::vector<std::string> pairs;
  size_t count = 0;
  for (const auto& [node, proved] : unreached_) {
    for (const Unreachable& unreachable : proved.unreachable()) {
      if (++count <= kPairsShown) pairs.push_back(Pair(node, unreachable));
    }
  }
  std::string more;
  if (count > kPairsShown) {
    more = absl::StrCat("\nand ", count - kPairsShown, " more");
  }
  Fail(CAUSE_RENDEZVOUS, kExitRendezvous, members_[unreached_.begin()->first],
       absl::StrCat(absl::StrJoin(pairs, "\n"), more,
                    "\nlet these ports through between the nodes "
                    "(--base-port fixes their numbers), or correct "
                    "--advertise"),
       now);
}

void Preparation::Fail(CauseKind kind, uint32_t exit_code, const Member& member,
                       const std::string& message, Moment now) {
  state_ = State::kFailed;
  seconds_ = Seconds(now.at - start_);
  report_.mutable_durations()->set_fabric(seconds_);
  SetVerdict(CauseOn(member, kind, message, now), exit_code, &report_);
}

}  // namespace muster::rendezvous
