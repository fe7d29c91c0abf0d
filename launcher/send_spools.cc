#include "launcher/send_spools.h"

#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "asio/io_context.hpp"
#include "launcher/collector_access.h"
#include "launcher/endpoint.h"
#include "launcher/exit_codes.h"
#include "launcher/size.h"
#include "launcher/streams/leftovers.h"
#include "launcher/text.h"
#include "rendezvous/transport.h"

namespace muster::launcher {
namespace {

using streams::LeftoverResult;

void Tell(absl::string_view line) {
  fprintf(stderr, "muster get: %s\n", Printable(line).c_str());
}

// Job: the ways to the collectors, each made once. Threads: one at a time.
class Ways {
 public:
  Ways(const HistoryCommand& command, const std::optional<std::string>& token)
      : place_(command.place), token_(token) {}

  // `collector`: "HOST:PORT", or "" where only the user can know it.
  absl::StatusOr<std::shared_ptr<grpc::Channel>> To(std::string collector) {
    if (!place_.collector_host().empty()) {
      collector = CollectorEndpoint(place_);
    }
    if (collector.empty()) {
      return absl::FailedPreconditionError(
          "its collector was in its coordinator's process and is gone; give "
          "--collector HOST:PORT of a `muster collect`");
    }
    const auto [found, is_new] = ways_.try_emplace(
        collector, absl::UnavailableError("it was not tried"));
    if (is_new) found->second = Find(collector);
    return found->second;
  }

 private:
  using Way = absl::StatusOr<std::shared_ptr<grpc::Channel>>;

  Way Find(const std::string& collector) const {
    const absl::StatusOr<Endpoint> endpoint = ParseEndpoint(collector, 0);
    if (!endpoint.ok()) return endpoint.status();
    const absl::StatusOr<rendezvous::Credentials> credentials =
        AccessTo(*endpoint, absl::StrCat("--collector ", collector), place_,
                 token_, Tell);
    if (!credentials.ok()) return credentials.status();
    return ReachCollector(*endpoint, *credentials);
  }

  const JobSpec& place_;
  const std::optional<std::string>& token_;
  std::map<std::string, Way> ways_;
};

std::string Success(const LeftoverResult& result) {
  const Introduction& node = result.manifest.introduction();
  const LogDone& done = *result.done;
  return absl::StrCat(
      result.spool, ": sent what node ", node.node_rank(), " (",
      result.manifest.host_name(), ") of run ", node.run_id(),
      " left; the collector has ", ShortSize(done.stored_bytes()),
      " of its workers' output",
      done.gap_bytes() == 0
          ? ""
          : absl::StrCat(", and knows of ", ShortSize(done.gap_bytes()),
                         " that are lost"));
}

}  // namespace

int SendSpools(const HistoryCommand& command,
               const std::optional<std::string>& token) {
  std::error_code error;
  if (!std::filesystem::is_directory(command.spool, error)) {
    Tell(absl::StrCat(
        "--spool ", command.spool,
        ": no such directory; what an agent left is below its --spool-dir"));
    return kUsage;
  }
  // A limit that can't be raised does no harm.
  rendezvous::PrepareProcess().IgnoreError();
  Ways ways(command, token);
  int sent = 0;
  int kept = 0;
  absl::Status read;
  asio::io_context loop;
  auto work = asio::make_work_guard(loop);
  streams::Leftovers leftovers(
      loop, {.directory = command.spool},
      {.channel_for =
           [&](const SpoolManifest& manifest) {
             return ways.To(manifest.collector());
           },
       .on_spool =
           [&](const LeftoverResult& result) {
             if (!result.done && !result.is_in_use) ++kept;
             if (result.done) ++sent;
             Tell(result.done ? Success(result) : result.problem);
           },
       .on_done =
           [&](const absl::Status& status) {
             read = status;
             work.reset();
           }});
  loop.run();
  if (!read.ok()) {
    Tell(absl::StrCat("--spool ", command.spool, ": ", read.message()));
    return kPartly;
  }
  if (sent + kept == 0) {
    Tell(absl::StrCat("no dead agent left anything in ", command.spool));
  }
  return kept == 0 ? kSuccess : kPartly;
}

}  // namespace muster::launcher
