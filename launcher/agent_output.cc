// The agent's way to the collector.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "launcher/agent.h"
#include "launcher/endpoint.h"
#include "launcher/log.h"
#include "rendezvous/transport.h"

namespace muster::launcher {

void Agent::LocateCollector(std::function<void()> next) {
  if (spec_.collector_host().empty() ||
      IsNumericAddress(spec_.collector_host())) {
    return next();
  }
  AwaitName(spec_.collector_host(), spec_.collector_port(), 0,
            [this, next = std::move(next)](
                const std::vector<std::string>& addresses) {
              // Of a name that has both, IPv4: "localhost" often does, and a
              // collector that was given an address listens on one of them.
              const auto ipv4 =
                  std::find_if(addresses.begin(), addresses.end(),
                               [](const std::string& address) {
                                 return address.find(':') == std::string::npos;
                               });
              spec_.set_collector_host(ipv4 == addresses.end() ? addresses[0]
                                                               : *ipv4);
              next();
            });
}

std::shared_ptr<grpc::Channel> Agent::CollectorChannel() const {
  using rendezvous::ChannelUse;
  if (!spec_.collect()) return nullptr;
  if (!spec_.collector_host().empty()) {
    return rendezvous::Dial(spec_.collector_host(),
                            static_cast<int>(spec_.collector_port()),
                            credentials_.collector, ChannelUse::kBulk);
  }
  if (host_) return host_->Channel();
  return rendezvous::Dial(reached_, static_cast<int>(spec_.endpoint_port()),
                          credentials_.session, ChannelUse::kBulk);
}

absl::Status Agent::MakeOutput() {
  Introduction introduction;
  introduction.set_run_id(assignment_.run_id());
  introduction.set_node_rank(assignment_.node_rank());
  introduction.set_first_rank(assignment_.first_rank());
  introduction.set_workers(node_->workers);
  introduction.set_world_size(assignment_.world_size());
  introduction.set_attempt(assignment_.attempt());
  introduction.set_key(assignment_.collector_key());
  introduction.set_incarnation(incarnation_);
  output_ = std::make_unique<NodeOutput>(
      loop_, spec_, CollectorChannel(), credentials_.collector,
      NodeOutputCallbacks{
          .on_pause = [this](bool paused) { workers_->PauseOutput(paused); },
          .on_done =
              [this](const NodeOutputResult& result) { OutputDone(result); }});
  return output_->Open(introduction);
}

void Agent::CloseOutput() {
  output_->Close();
  if (report_) HurryOutput();
}

// The coordinator is gone, and the collector with it unless that is elsewhere.
void Agent::HurryOutput() {
  if (output_ && spec_.collector_host().empty()) output_->Hurry();
}

void Agent::OutputDone(const NodeOutputResult& result) {
  output_done_ = true;
  if (report_) {
    if (!result.problem.empty()) spdlog::error("{}", result.problem);
    return Leave();
  }
  if (!result.problem.empty()) FailNode(result.problem);
  AgentMessage message;
  message.mutable_drained()->set_log_bytes(result.log_bytes);
  message.mutable_drained()->set_output_bytes(result.output_bytes);
  SendToCoordinator(std::move(message));
}

}  // namespace muster::launcher
