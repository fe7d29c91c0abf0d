// The agent's way to the collector.
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "launcher/agent.h"
#include "launcher/endpoint.h"
#include "launcher/log.h"
#include "launcher/size.h"
#include "rendezvous/transport.h"

namespace muster::launcher {
namespace {

// How long the record of a run waits for a collector that is not waited for.
constexpr std::chrono::milliseconds kHurriedRecord{500};
// So long it is waited for without a word.
constexpr std::chrono::seconds kSilence{2};

}  // namespace

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
  if (output_ && spec_.collector_host().empty()) {
    output_->Hurry(concluded_ ? "the job is over"
                              : "it is with the coordinator, which this node "
                                "has lost");
  }
}

void Agent::OutputDone(const NodeOutputResult& result) {
  output_done_ = true;
  collector_failed_ = !result.problem.empty();
  if (collector_failed_) spdlog::error("{}", result.problem);
  if (report_) return Leave();
  AgentMessage message;
  NodeDrained* drained = message.mutable_drained();
  drained->set_log_bytes(result.log_bytes);
  drained->set_output_bytes(result.output_bytes);
  if (collector_failed_) {
    drained->mutable_missing()->set_bytes(result.missing_bytes);
    drained->mutable_missing()->set_message(result.problem);
  }
  SendToCoordinator(std::move(message));
}

std::string Agent::AwaitedCollector() const {
  const std::string where =
      spec_.collector_host().empty()
          ? "the collector"
          : absl::StrCat("the collector ", CollectorEndpoint(spec_));
  if (record_closing_) {
    return absl::StrCat(where, ", which lacks the record of this run");
  }
  if (phase_ != Phase::kDraining || output_done_ || !output_) return "";
  return absl::StrCat(where, ", which lacks ",
                      ShortSize(output_->waiting_bytes()),
                      " of this node's output");
}

// A collector that has not taken this node's output in its time does not get
// that time again.
void Agent::CloseRecord() {
  if (std::exchange(record_closing_, true)) return;
  host_->CloseRecord([this] {
    record_closed_ = true;
    Leave();
  });
  if (urgency_ > 1 || collector_failed_) host_->HurryRecord(kHurriedRecord);
  timer_.expires_after(kSilence);
  timer_.async_wait([this](asio::error_code error) {
    if (error || record_closed_) return;
    spdlog::info("waiting for {}", AwaitedCollector());
  });
}

}  // namespace muster::launcher
