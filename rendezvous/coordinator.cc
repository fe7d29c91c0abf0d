#include "rendezvous/coordinator.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/post.hpp"
#include "rendezvous/coordinator_stream.h"

namespace muster::rendezvous {
namespace {

// Often enough that a pause of our own is told from a silent node.
constexpr std::chrono::milliseconds kSlowestTick{100};

Duration TickOf(Duration node_timeout) {
  return std::min<Duration>(kSlowestTick, node_timeout / 8);
}

// Of a worker or a service: " ended with 3" or " died of signal 9".
template <typename Ended>
std::string HowItEnded(const Ended& event) {
  return event.has_signal() ? absl::StrCat(" died of signal ", event.signal())
                            : absl::StrCat(" ended with ", event.exit_code());
}

// What an agent's message means for the record of the run; "" for nothing.
std::string Describe(const AgentMessage& message) {
  switch (message.body_case()) {
    case AgentMessage::kStarted:
      return absl::StrCat("rank ", message.started().rank(), " started as pid ",
                          message.started().pid());
    case AgentMessage::kExited:
      return absl::StrCat("rank ", message.exited().rank(),
                          HowItEnded(message.exited()));
    case AgentMessage::kNotStarted:
      return absl::StrCat(
          "rank ", message.not_started().rank(),
          " could not start: ", message.not_started().message());
    case AgentMessage::kCancel:
      return absl::StrCat("cancelled by signal ", message.cancel().signal());
    case AgentMessage::kFailed:
      return message.failed().message();
    case AgentMessage::kServiceEnded:
      return absl::StrCat(message.service_ended().name(),
                          HowItEnded(message.service_ended()));
    case AgentMessage::kDrained:
      return "its output is here";
    case AgentMessage::kPrepared:
      return "it holds the ports of its tasks";
    case AgentMessage::kUnprepared:
      return message.unprepared().message();
    case AgentMessage::kProved:
      return message.proved().unreachable().empty()
                 ? "it reaches every port"
                 : absl::StrCat("it can't reach ",
                                message.proved().unreachable_size(), " ports");
    default:
      return "";
  }
}

}  // namespace

Coordinator::Coordinator(asio::io_context& loop, CoordinatorOptions options,
                         CoordinatorCallbacks callbacks)
    : loop_(loop),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      roster_(options_.roster, Now()),
      liveness_(options_.node_timeout),
      ticker_(loop) {
  Tick();
}

Coordinator::~Coordinator() { *alive_ = false; }

grpc::ServerBidiReactor<AgentMessage, CoordinatorMessage>* Coordinator::Join(
    grpc::CallbackServerContext* context) {
  auto stream = CoordinatorStream::Make(context);
  asio::post(loop_, [this, alive = alive_, stream] {
    if (*alive) {
      Opened(stream);
    } else {
      stream->Close(grpc::Status(grpc::StatusCode::UNAVAILABLE,
                                 "the coordinator is leaving"));
    }
  });
  return stream.get();
}

void Coordinator::Rejected(const std::string& reason) {
  asio::post(loop_, [this, alive = alive_, reason] {
    if (!*alive || concluded_) return;
    callbacks_.on_event("rejected", absl::StrCat("turned away: ", reason));
    Apply(roster_.Rejected(reason));
  });
}

void Coordinator::CancelJoin(uint32_t signal) {
  Apply(roster_.Cancel(signal, Now()));
  // Our own agent is parked, and with it goes the coordinator: so does the job.
  if (gang_) Apply(gang_->Cancel(options_.roster.our_host, signal, Now()));
  AfterEvent();
}

void Coordinator::Opened(const std::shared_ptr<CoordinatorStream>& stream) {
  const SessionId session = ++last_session_;
  streams_[session] = stream;
  roster_.Opened(session, stream->peer());
  liveness_.Heard(session, Now().at);
  // The stream begins only here, so that the first message can't overtake the
  // opening.
  stream->Begin({.on_message =
                     [this, alive = alive_, session](AgentMessage message) {
                       asio::post(loop_, [this, alive, session,
                                          message = std::move(message)] {
                         if (*alive) Received(session, message);
                       });
                     },
                 .on_closed =
                     [this, alive = alive_, session] {
                       asio::post(loop_, [this, alive, session] {
                         if (*alive) Closed(session);
                       });
                     }});
}

void Coordinator::Received(SessionId session, const AgentMessage& message) {
  const auto it = streams_.find(session);
  if (it == streams_.end()) return;
  const Moment now = Now();
  liveness_.Heard(session, now.at);
  switch (message.body_case()) {
    case AgentMessage::kHello: {
      callbacks_.on_event(
          "hello", absl::StrCat(message.hello().node().host_name(), " (",
                                message.hello().node().address(), ") is here"));
      if (concluded_) {
        it->second->Send(verdict_);
        return;
      }
      Apply(roster_.Hello(session, message.hello(), now));
      break;
    }
    case AgentMessage::kBeat: {
      CoordinatorMessage reply;
      reply.mutable_beat_reply();
      it->second->Send(std::move(reply));
      return;
    }
    // Bulk, not for the record of the run.
    case AgentMessage::kRemote:
      if (relay_) Apply(relay_->Frame(session, message.remote()));
      return;
    case AgentMessage::kFabricInventory:
    case AgentMessage::kStore:
    case AgentMessage::kSlotResult:
      if (self_test_) Apply(self_test_->Handle(session, message, now));
      break;
    case AgentMessage::BODY_NOT_SET:
      it->second->Close(
          grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "an empty message"));
      return;
    default:
      callbacks_.on_event(
          "node", absl::StrCat(NameOf(session), ": ", Describe(message)));
      Apply(Handle(session, message));
      break;
  }
  AfterEvent();
}

Outbox Coordinator::Handle(SessionId session, const AgentMessage& message) {
  if (gang_) return HandleGang(session, message);
  if (self_test_) return self_test_->Handle(session, message, Now());
  return HandlePreparation(session, message);
}

Outbox Coordinator::HandlePreparation(SessionId session,
                                      const AgentMessage& message) {
  if (!preparation_) return {};
  const Moment now = Now();
  switch (message.body_case()) {
    case AgentMessage::kPrepared:
      return preparation_->Prepared(session, message.prepared(), now);
    case AgentMessage::kUnprepared:
      preparation_->Unprepared(session, message.unprepared(), now);
      return {};
    case AgentMessage::kProved:
      return preparation_->Proved(session, message.proved(), now);
    case AgentMessage::kCancel:
      preparation_->Cancel(session, message.cancel().signal(), now);
      return {};
    case AgentMessage::kFailed:
      preparation_->NodeFailed(session, message.failed().message(), now);
      return {};
    default:
      return {};
  }
}

Outbox Coordinator::HandleGang(SessionId session, const AgentMessage& message) {
  const Moment now = Now();
  switch (message.body_case()) {
    case AgentMessage::kStarted:
      return gang_->Started(session, message.started(), now);
    case AgentMessage::kExited:
      return gang_->Exited(session, message.exited(), now);
    case AgentMessage::kNotStarted:
      return gang_->NotStarted(session, message.not_started(), now);
    case AgentMessage::kServiceEnded:
      return gang_->ServiceEnded(session, message.service_ended(), now);
    case AgentMessage::kDrained:
      return gang_->Drained(session, message.drained(), now);
    case AgentMessage::kCancel:
      return gang_->Cancel(session, message.cancel().signal(), now);
    case AgentMessage::kFailed:
      return gang_->NodeFailed(session, message.failed().message(), now);
    default:
      return {};
  }
}

std::string Coordinator::NameOf(SessionId session) const {
  for (const Member& member : roster_.members()) {
    if (member.session == session) return NodeName(member);
  }
  return absl::StrCat("session ", session);
}

void Coordinator::Closed(SessionId session) {
  if (!streams_.contains(session)) return;
  Leave(session, "its agent hung up");
}

void Coordinator::Leave(SessionId session, const std::string& why) {
  liveness_.Forget(session);
  streams_.erase(session);
  if (!concluded_) {
    Apply(roster_.Leave(session, why));
    if (relay_) Apply(relay_->Left(session, why));
    if (gang_) {
      Apply(gang_->Lost(session, why, Now()));
    } else if (self_test_) {
      Apply(self_test_->Lost(session, why, Now()));
    } else if (preparation_) {
      preparation_->Lost(session, why, Now());
    }
  }
  AfterEvent();
}

void Coordinator::Apply(Outbox outbox) {
  for (Send& send : outbox) {
    const auto it = streams_.find(send.to);
    if (it == streams_.end()) continue;
    if (send.message.has_report()) continue;  // Conclude() sends the verdict
    const bool last = send.message.has_refusal();
    if (last) {
      callbacks_.on_event(
          "refused", send.message.refusal().report().first_cause().message());
    }
    if (send.message.has_stop()) {
      callbacks_.on_event("stop", "all workers are told to stop");
    }
    it->second->Send(std::move(send.message));
    if (last) it->second->Close(grpc::Status::OK);
  }
}

void Coordinator::AfterEvent() {
  if (roster_.state() == Roster::State::kSealed && !self_test_ && !tested_) {
    AfterSeal();
  }
  if (self_test_ && self_test_->state() != SelfTest::State::kRunning) {
    AfterTest();
  }
  if (!gang_ && preparation_ &&
      preparation_->state() == Preparation::State::kReady) {
    StartGang(preparation_->members(), test_seconds_ + preparation_->seconds());
  }
  if (!concluded_ && roster_.state() == Roster::State::kFailed) {
    Conclude(roster_.report());
  } else if (!concluded_ && preparation_ &&
             preparation_->state() == Preparation::State::kFailed) {
    Conclude(preparation_->report());
  } else if (!concluded_ && gang_ && gang_->state() == Gang::State::kFinished) {
    Conclude(gang_->report());
  }
  // Our own agent's stream is the last one.
  if (concluded_ && streams_.size() <= 1) Idle();
}

void Coordinator::AfterSeal() {
  if (options_.make_self_test) {
    self_test_ =
        options_.make_self_test(roster_.members(), roster_.join_seconds());
  }
  if (self_test_) {
    callbacks_.on_sealed(roster_.members());
    Apply(self_test_->Start(Now()));
  } else {
    GiveOutPlaces({});
  }
}

void Coordinator::AfterTest() {
  const std::unique_ptr<SelfTest> test = std::move(self_test_);
  const Report& report = test->report();
  test_seconds_ = report.durations().fabric();
  tested_ = true;
  callbacks_.on_tested();
  if (options_.only_test || test->state() == SelfTest::State::kFailed) {
    Conclude(report);
    return;
  }
  left_out_ = report.left_out();
  GiveOutPlaces(test->left_out());
}

void Coordinator::GiveOutPlaces(
    const std::map<SessionId, std::string>& left_out) {
  tested_ = true;
  Apply(roster_.Assign(left_out, Now()));
  if (roster_.state() == Roster::State::kFailed) return;
  if (NeedsPreparation(roster_.members())) {
    preparation_.emplace(options_.roster.run_id, roster_.members(),
                         roster_.join_seconds(), Now());
    callbacks_.on_sealed(roster_.members());
  } else {
    StartGang(roster_.members(), test_seconds_);
  }
}

void Coordinator::StartGang(const std::vector<Member>& members,
                            double fabric_seconds) {
  const bool has_launcher =
      options_.roster.agreement.framework() == FRAMEWORK_MPI;
  gang_.emplace(Gang::Options{.run_id = options_.roster.run_id,
                              .join_seconds = roster_.join_seconds(),
                              .fabric_seconds = fabric_seconds,
                              .has_launcher = has_launcher,
                              .start_timeout = options_.roster.join_timeout},
                members, Now());
  if (has_launcher) relay_.emplace(members);
  callbacks_.on_sealed(members);
}

void Coordinator::Conclude(const Report& report) {
  concluded_ = true;
  concluded_at_ = Now().at;
  *verdict_.mutable_report() = report;
  verdict_.mutable_report()->mutable_left_out()->MergeFrom(left_out_);
  callbacks_.on_verdict(verdict_.mutable_report());
  for (const auto& [session, stream] : streams_) stream->Send(verdict_);
}

void Coordinator::Tick() {
  ticker_.expires_after(TickOf(options_.node_timeout));
  ticker_.async_wait([this](const asio::error_code& error) {
    if (error || idle_) return;
    const Moment now = Now();
    Apply(roster_.Tick(now));
    if (gang_) {
      Apply(gang_->Tick(now));
    } else if (self_test_) {
      Apply(self_test_->Tick(now));
    } else if (preparation_) {
      preparation_->Tick(now);
    }
    for (const SessionId session : liveness_.Silent(now.at)) {
      const auto it = streams_.find(session);
      if (it == streams_.end()) continue;
      it->second->Close(
          grpc::Status(grpc::StatusCode::UNAVAILABLE, "silent for too long"));
      Leave(session,
            absl::StrCat("it was silent for longer than --node-timeout (",
                         Seconds(options_.node_timeout), " s)"));
    }
    AfterEvent();
    if (concluded_ && now.at - concluded_at_ >= kFarewell) Idle();
    Tick();
  });
}

void Coordinator::Idle() {
  if (idle_) return;
  idle_ = true;
  ticker_.cancel();
  callbacks_.on_idle();
}

}  // namespace muster::rendezvous
