#include "launcher/node_leftovers.h"

#include <chrono>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "launcher/endpoint.h"
#include "launcher/log.h"
#include "launcher/size.h"
#include "launcher/text.h"
#include "rendezvous/transport.h"

namespace muster::launcher {
namespace {

// How long the end of a job waits for a collector that does not answer.
constexpr std::chrono::milliseconds kPatienceAtTheEnd{1000};

void Say(const streams::LeftoverResult& result) {
  if (result.is_in_use) return;
  if (!result.done) return spdlog::warn("{}", Printable(result.problem));
  const Introduction& node = result.manifest.introduction();
  spdlog::info("{}", Printable(absl::StrCat(
                         "sent what an earlier agent of this host left in ",
                         result.spool, ": the collector has ",
                         ShortSize(result.done->stored_bytes()), " of node ",
                         node.node_rank(), " of run ", node.run_id())));
}

}  // namespace

NodeLeftovers::NodeLeftovers(asio::io_context& loop, const JobSpec& spec,
                             std::shared_ptr<grpc::Channel> channel,
                             const rendezvous::Credentials& credentials,
                             std::function<void()> on_over)
    : leftovers_(
          loop, {.directory = spec.spool_dir()},
          {.channel_for =
               [channel = std::move(channel), credentials,
                ours = CollectorEndpoint(spec)](const SpoolManifest& manifest)
               -> absl::StatusOr<std::shared_ptr<grpc::Channel>> {
             const std::string& theirs = manifest.collector();
             if (theirs.empty() || theirs == ours) return channel;
             const absl::StatusOr<Endpoint> endpoint = ParseEndpoint(theirs, 0);
             if (!endpoint.ok()) return endpoint.status();
             return rendezvous::Dial(
                 endpoint->host, static_cast<int>(endpoint->port), credentials,
                 rendezvous::ChannelUse::kBulk);
           },
           .on_spool = Say,
           .on_done =
               [on_over = std::move(on_over)](const absl::Status& status) {
                 if (!status.ok()) {
                   spdlog::warn("--spool-dir: {}",
                                Printable(std::string(status.message())));
                 }
                 on_over();
               }}) {}

void NodeLeftovers::Hurry() { leftovers_.Hurry(kPatienceAtTheEnd); }

}  // namespace muster::launcher
