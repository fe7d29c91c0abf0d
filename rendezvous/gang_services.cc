// What the gang makes of mpirun and its daemons.
#include <csignal>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rendezvous/causes.h"
#include "rendezvous/exit_codes.h"
#include "rendezvous/gang.h"
#include "rendezvous/some_names.h"

namespace muster::rendezvous {
namespace {

bool IsLauncher(const muster::ServiceEnded& event) {
  return event.name() == "mpirun";
}

bool Failed(const muster::ServiceEnded& event) {
  return event.has_signal() || event.exit_code() != 0;
}

// Whether it died of itself or by somebody's hand. SIGTERM is how mpirun ends
// its daemons when it has noticed that one of them failed.
bool IsDecisive(const muster::ServiceEnded& event) {
  return event.has_signal() && event.signal() != SIGTERM;
}

}  // namespace

Outbox Gang::ServiceEnded(SessionId session, const muster::ServiceEnded& event,
                          Moment now) {
  Outbox out;
  const Node* node = Find(session);
  if (!node || !options_.has_launcher) return out;
  const bool is_launcher = IsLauncher(event) && node == &nodes_.front();
  if (is_launcher && !launcher_running_) return out;
  if (is_launcher) launcher_running_ = false;
  // What a daemon does once it is released is nobody's business.
  const bool matters = !released_ || is_launcher;
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
    if (IsDecisive(event) || released_ || event.pid() == 0) {
      Fail(std::move(failure.cause), failure.exit_code, now, out);
    } else if (!suspicion_) {
      suspicion_ = std::move(failure);
    }
    return;
  }
  const bool first_is_fresh_worker =
      report_.first_cause().has_rank() && now.at - first_cause_at_ <= kEvidence;
  if (IsDecisive(event) && !released_ && first_is_fresh_worker) {
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
      "it starts ", IsLauncher(event) ? "the ranks" : "that node's ranks");
  Cause cause = CauseOn(node.member, CAUSE_EXIT, "", now);
  uint32_t exit_code = event.exit_code();
  if (event.has_signal()) {
    cause.set_kind(CAUSE_SIGNAL);
    cause.set_signal(event.signal());
    cause.set_message(absl::StrCat(what, "; ", SignalHint(event.signal())));
    exit_code = 128 + event.signal();
  } else if (event.pid() == 0) {
    cause.set_kind(CAUSE_SPAWN);
    cause.set_message(event.stderr_tail());
  } else {
    cause.set_exit_code(event.exit_code());
    if (event.exit_code() == 0) {
      exit_code = 1;
      cause.set_message(
          absl::StrCat(what, " and ended before they had: ", to_end_, " of ",
                       report_.world_size(), " were left"));
    } else if (released_) {
      cause.set_message(absl::StrCat(
          what,
          ", and failed although every rank had ended with 0; its last words "
          "say why"));
    } else {
      cause.set_message(absl::StrCat(what, "; its last words say why"));
    }
  }
  cause.set_service(event.name());
  if (event.pid() != 0) cause.set_pid(event.pid());
  SetTail(event.stderr_tail(), &cause);
  return {std::move(cause), exit_code, now.at};
}

bool Gang::SuspectEndedWell() const {
  return suspicion_ && suspicion_->cause.has_exit_code() &&
         suspicion_->cause.exit_code() == 0;
}

void Gang::Release(Moment now, Outbox* out) {
  if (released_) return;
  released_ = now.at;
  // Nothing else will explain it any more; and that mpirun ended well before
  // the last rank's end had arrived here was no failure.
  if (suspicion_ && !SuspectEndedWell() && !report_.has_first_cause()) {
    Fail(std::move(suspicion_->cause), suspicion_->exit_code, now, out);
  }
  suspicion_.reset();
  CoordinatorMessage message;
  message.mutable_release()->set_failed(report_.has_first_cause());
  Broadcast(message, out);
}

void Gang::TickServices(Moment now, Outbox* out) {
  // An mpirun that has ended well has seen every rank's end: what is missing
  // here is on its way.
  const Duration patience =
      SuspectEndedWell() ? Duration(kLauncherEnd) : Duration(kEvidence);
  if (suspicion_ && now.at - suspicion_->at >= patience) {
    const ServiceFailure failure = *std::exchange(suspicion_, std::nullopt);
    if (!report_.has_first_cause()) {
      Fail(failure.cause, failure.exit_code, now, out);
    }
  }
  if (state_ == State::kStarting) {
    if (now.at - phase_start_ >= options_.start_timeout) {
      Fail(CauseOn(nodes_.front().member, CAUSE_RENDEZVOUS,
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
  if (released_ && launcher_running_ && now.at - *released_ >= kLauncherEnd) {
    launcher_running_ = false;
    Cause cause = CauseOn(nodes_.front().member, CAUSE_EXIT,
                          "it did not end after its ranks had", now);
    cause.set_service("mpirun");
    Fail(std::move(cause), 1, now, out);
  }
  Advance(now, out);
}

std::string Gang::NotStartedYet() const {
  std::vector<std::string> waiting;
  for (const Node& node : nodes_) {
    size_t missing = 0;
    for (const Worker& worker : node.workers) missing += !worker.started;
    if (missing == 0) continue;
    waiting.push_back(absl::StrCat(
        NodeName(node.member), " lacks ", missing, " of ", node.workers.size(),
        node.workers.size() == 1 ? " rank" : " ranks"));
  }
  return SomeNames(std::move(waiting));
}

}  // namespace muster::rendezvous
