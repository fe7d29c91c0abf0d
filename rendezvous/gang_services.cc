// What the gang makes of mpirun and its daemons.
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rendezvous/causes.h"
#include "rendezvous/gang.h"

namespace muster::rendezvous {
namespace {

constexpr uint32_t kExitRendezvous = 69;
constexpr size_t kNodesShown = 8;

bool IsLauncher(const muster::ServiceEnded& event) {
  return event.name() == "mpirun";
}

bool Failed(const muster::ServiceEnded& event) {
  return event.has_signal() || event.exit_code() != 0;
}

}  // namespace

Outbox Gang::ServiceEnded(SessionId session, const muster::ServiceEnded& event,
                          Moment now) {
  Outbox out;
  const Node* node = Find(session);
  if (!node || launcher_ == Launcher::kNone) return out;
  const bool is_launcher = IsLauncher(event) && node == &nodes_.front();
  if (is_launcher && !launcher_running()) return out;
  if (is_launcher) launcher_ = Launcher::kEnded;
  // What a daemon does once it is released is nobody's business.
  const bool matters = released_ ? is_launcher : true;
  const bool too_early = is_launcher && !released_;
  if (matters && (Failed(event) || too_early)) {
    ServiceFailed(*node, event, now, &out);
  }
  Advance(now, &out);
  return out;
}

void Gang::ServiceFailed(const Node& node, const muster::ServiceEnded& event,
                         Moment now, Outbox* out) {
  ServiceFailure failure = DescribeService(node, event, now);
  if (!report_.has_first_cause()) {
    if (event.has_signal() || released_ || event.pid() == 0) {
      Fail(std::move(failure.cause), failure.exit_code, now, out);
    } else if (!suspicion_) {
      suspicion_ = std::move(failure);
    }
    return;
  }
  const bool first_is_fresh_worker =
      report_.first_cause().has_rank() && now.at - first_cause_at_ <= kEvidence;
  if (event.has_signal() && !released_ && first_is_fresh_worker) {
    const Cause echo = report_.first_cause();
    *report_.mutable_first_cause() = std::move(failure.cause);
    report_.set_exit_code(failure.exit_code);
    AddOther(echo, &report_);
  }
}

Gang::ServiceFailure Gang::DescribeService(const Node& node,
                                           const muster::ServiceEnded& event,
                                           Moment now) const {
  const std::string what = absl::StrCat(
      event.name(), " on node ", node.member.assignment.node_rank(), " (",
      node.member.facts.host_name(), "), which ",
      IsLauncher(event) ? "starts the ranks" : "starts that node's ranks", ",");
  Cause cause;
  uint32_t exit_code = 0;
  if (event.has_signal()) {
    cause = CauseOn(node, CAUSE_SIGNAL,
                    absl::StrCat(what, " died of signal ", event.signal(), "; ",
                                 SignalHint(event.signal())),
                    now);
    cause.set_signal(event.signal());
    exit_code = 128 + event.signal();
  } else if (event.pid() == 0) {
    cause = CauseOn(node, CAUSE_SPAWN,
                    absl::StrCat(what, " could not be started"), now);
    exit_code = event.exit_code();
  } else if (event.exit_code() == 0) {
    cause = CauseOn(node, CAUSE_EXIT,
                    absl::StrCat(what, " ended before the ranks had: ", to_end_,
                                 " of ", report_.world_size(), " were left"),
                    now);
    cause.set_exit_code(0);
    exit_code = 1;
  } else {
    cause = CauseOn(
        node, CAUSE_EXIT,
        released_
            ? absl::StrCat(what, " ended with exit code ", event.exit_code(),
                           " although every rank ended with 0; its "
                           "last words say why")
            : absl::StrCat(what, " ended with exit code ", event.exit_code(),
                           "; its last words say why"),
        now);
    cause.set_exit_code(event.exit_code());
    exit_code = event.exit_code();
  }
  if (event.pid() != 0) cause.set_pid(event.pid());
  SetTail(event.stderr_tail(), &cause);
  return {std::move(cause), exit_code, now.at};
}

void Gang::LauncherLost() {
  if (launcher_running()) launcher_ = Launcher::kEnded;
}

void Gang::Release(Moment now, Outbox* out) {
  if (released_) return;
  released_ = now.at;
  // Nothing else will explain it any more.
  if (suspicion_ && !report_.has_first_cause()) {
    Fail(std::move(suspicion_->cause), suspicion_->exit_code, now, out);
  }
  suspicion_.reset();
  CoordinatorMessage message;
  message.mutable_release();
  Broadcast(message, out);
}

void Gang::TickServices(Moment now, Outbox* out) {
  if (suspicion_ && now.at - suspicion_->at >= kEvidence) {
    const ServiceFailure failure = *std::exchange(suspicion_, std::nullopt);
    if (!report_.has_first_cause()) {
      Fail(failure.cause, failure.exit_code, now, out);
    }
  }
  if (state_ == State::kStarting) {
    if (now.at - phase_start_ >= options_.start_timeout) {
      Fail(CauseOn(nodes_.front(), CAUSE_RENDEZVOUS,
                   absl::StrCat("mpirun did not start all ranks within "
                                "--rdzv-timeout: ",
                                NotStartedYet()),
                   now),
           kExitRendezvous, now, out);
    } else if (now.at - last_notice_ >= kProgress) {
      last_notice_ = now.at;
      CoordinatorMessage message;
      message.mutable_notice()->set_text(
          absl::StrCat("mpirun is starting the ranks: ", NotStartedYet()));
      Broadcast(message, out);
    }
  }
  if (released_ && launcher_running() && now.at - *released_ >= kLauncherEnd) {
    launcher_ = Launcher::kEnded;
    Fail(CauseOn(nodes_.front(), CAUSE_EXIT,
                 "mpirun did not end after its ranks had; it was killed", now),
         1, now, out);
  }
  Advance(now, out);
}

std::string Gang::NotStartedYet() const {
  std::vector<std::string> waiting;
  size_t nodes = 0;
  for (const Node& node : nodes_) {
    size_t missing = 0;
    for (const Worker& worker : node.workers) missing += !worker.started;
    if (missing == 0 || ++nodes > kNodesShown) continue;
    waiting.push_back(absl::StrCat(
        "node ", node.member.assignment.node_rank(), " (",
        node.member.facts.host_name(), ") lacks ", missing, " of ",
        node.workers.size(), node.workers.size() == 1 ? " rank" : " ranks"));
  }
  if (nodes > kNodesShown) {
    waiting.push_back(absl::StrCat(nodes - kNodesShown, " more nodes"));
  }
  return absl::StrJoin(waiting, ", ");
}

}  // namespace muster::rendezvous
