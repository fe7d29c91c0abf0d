// The agent's first two phases: who hosts the coordinator, and how to reach it.
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "env/hardware/interfaces.h"
#include "launcher/agent.h"
#include "launcher/exit_codes.h"
#include "launcher/log.h"
#include "rendezvous/hosting.h"

namespace muster::launcher {

using rendezvous::Hosting;
using rendezvous::HostingAnswer;

void Agent::Locate() {
  rendezvous::HostingQuestion question{
      .max_nodes = spec_.agreement().max_nodes(),
      .endpoint_host = spec_.endpoint_host(),
      .is_local = [](const std::string& a) { return env::IsLocalAddress(a); }};
  if (question.max_nodes > 1 && !spec_.host_dns().empty()) {
    LocateByDns(std::move(question));
    return;
  }
  if (spec_.has_node_rank()) question.node_rank = spec_.node_rank();
  const HostingAnswer answer = rendezvous::DecideHosting(question);
  if (answer.hosting != Hosting::kUnknown) {
    Decide(answer);
    return;
  }
  AwaitName(spec_.endpoint_host(), spec_.endpoint_port(), 0,
            [this, question](std::vector<std::string> addresses) mutable {
              question.addresses = std::move(addresses);
              Decide(rendezvous::DecideHosting(question));
            });
}

// The node with the smallest address hosts, whichever rank it has.
void Agent::LocateByDns(rendezvous::HostingQuestion question) {
  AwaitName(spec_.host_dns(), spec_.endpoint_port(),
            spec_.agreement().max_nodes(),
            [this, question = std::move(question)](
                const std::vector<std::string>& addresses) mutable {
              spec_.set_endpoint_host(addresses[0]);
              spdlog::info(
                  "{} has the addresses of all {} nodes; meeting at "
                  "{}:{}",
                  spec_.host_dns(), addresses.size(), addresses[0],
                  spec_.endpoint_port());
              question.endpoint_host = addresses[0];
              Decide(rendezvous::DecideHosting(question));
            });
}

void Agent::AwaitName(
    const std::string& host, uint32_t port, uint32_t nodes,
    std::function<void(std::vector<std::string>)> on_resolved) {
  resolver_ = std::make_unique<rendezvous::NameWait>(
      loop_,
      rendezvous::NameWaitOptions{.host = host,
                                  .port = static_cast<int>(port),
                                  .deadline = deadline_,
                                  .nodes = nodes},
      rendezvous::NameWaitCallbacks{
          .on_progress =
              [](const std::string& why) { spdlog::info("{}", why); },
          .on_resolved = std::move(on_resolved),
          .on_failed =
              [this](const rendezvous::JoinFailure& failure) {
                Fail(failure.kind, failure.exit_code, failure.message);
              }});
}

void Agent::Decide(const HostingAnswer& answer) {
  if (answer.hosting == Hosting::kConnect) {
    Join(false);
  } else {
    StartHost(answer);
  }
}

void Agent::StartHost(const HostingAnswer& answer) {
  auto host = Host::Start(loop_, spec_, credentials_, answer, [this] {
    host_idle_ = true;
    if (phase_ == Phase::kLeaving) Leave();
  });
  if (host.ok()) {
    host_ = *std::move(host);
    if (answer.hosting == Hosting::kListen) {
      spdlog::info("hosting the coordinator on {}:{}", answer.bind_address,
                   spec_.endpoint_port());
      reached_ = env::IsLocalAddress(spec_.endpoint_host())
                     ? spec_.endpoint_host()
                     : "";
    }
    phase_ = Phase::kJoining;
    Joined(std::make_unique<rendezvous::Session>(
        loop_, host_->Channel(), MakeHello(spec_, *node_, reached_),
        SessionCallbacks()));
    return;
  }
  if (absl::IsAlreadyExists(host.status()) && answer.may_connect_instead) {
    Join(true);
    return;
  }
  const std::string why(host.status().message());
  if (absl::IsInvalidArgument(host.status())) {
    Fail(CAUSE_CONFIG, kUsage, why);
  } else {
    Fail(CAUSE_RENDEZVOUS, kRendezvous, why);
  }
}

void Agent::Join(bool port_taken) {
  phase_ = Phase::kJoining;
  joiner_ = std::make_unique<rendezvous::Joiner>(
      loop_, credentials_.session,
      rendezvous::JoinerOptions{.host = spec_.endpoint_host(),
                                .port = static_cast<int>(spec_.endpoint_port()),
                                .deadline = deadline_,
                                .port_taken = port_taken},
      rendezvous::JoinerCallbacks{
          .make_hello =
              [this](const std::string& reached) {
                reached_ = reached;
                return MakeHello(spec_, *node_, reached);
              },
          .on_progress =
              [](const std::string& why) {
                spdlog::info("no coordinator yet: {}", why);
              },
          .on_joined =
              [this](std::unique_ptr<rendezvous::Session> session,
                     const CoordinatorMessage& first) {
                session->SetCallbacks(SessionCallbacks());
                Joined(std::move(session));
                Received(first);
              },
          .on_failed =
              [this](const rendezvous::JoinFailure& failure) {
                Fail(failure.kind, failure.exit_code, failure.message);
              }});
}

}  // namespace muster::launcher
