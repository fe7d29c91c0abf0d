#include "launcher/collector_access.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "launcher/credential_choice.h"
#include "rendezvous/reach.h"
#include "rendezvous/token.h"
#include "rendezvous/transport.h"

namespace muster::launcher {
namespace {

constexpr std::chrono::seconds kProbe(10);

// Whether nothing said between here and there leaves this machine.
bool IsThisMachine(const Endpoint& endpoint) {
  const auto addresses =
      rendezvous::Resolve(endpoint.host, static_cast<int>(endpoint.port));
  return addresses.ok() &&
         std::all_of(addresses->begin(), addresses->end(), IsLoopback);
}

}  // namespace

absl::StatusOr<rendezvous::Credentials> AccessTo(
    const Endpoint& collector, const std::string& where, const JobSpec& place,
    const std::optional<std::string>& token,
    absl::FunctionRef<void(absl::string_view)> warn) {
  const absl::StatusOr<rendezvous::LoadedToken> loaded =
      rendezvous::LoadToken(token, place.token_file());
  if (!loaded.ok()) {
    return absl::InvalidArgumentError(loaded.status().message());
  }
  if (!loaded->warning.empty()) warn(loaded->warning);
  const bool shows_nothing = !loaded->token && place.tls_cert_file().empty();
  if (shows_nothing && !place.insecure() && !IsThisMachine(collector)) {
    return absl::InvalidArgumentError(absl::StrCat(
        where,
        ": set MUSTER_TOKEN to the collector's token, or give --token-file or "
        "--tls-cert, --tls-key and --tls-ca; without encryption only with "
        "--insecure"));
  }
  absl::StatusOr<rendezvous::Credentials> credentials =
      MakeCredentials(place, loaded->token, collector.host);
  if (!credentials.ok()) {
    return absl::InvalidArgumentError(credentials.status().message());
  }
  return credentials;
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> ReachCollector(
    const Endpoint& collector, const rendezvous::Credentials& credentials) {
  const int port = static_cast<int>(collector.port);
  const auto addresses = rendezvous::Resolve(collector.host, port);
  if (!addresses.ok()) return addresses.status();
  absl::Status worst = absl::UnavailableError("no address");
  for (const std::string& address : *addresses) {
    const rendezvous::Reach reach =
        rendezvous::ProbeEndpoint(address, port, credentials, kProbe);
    const auto wanted = credentials.secure() ? rendezvous::Stage::kAuthenticated
                                             : rendezvous::Stage::kConnected;
    if (reach.stage >= wanted) {
      // Who talks to it by hand waits while it is restarted.
      rendezvous::TransportSettings settings;
      settings.last_backoff = std::chrono::seconds(1);
      return rendezvous::Dial(address, port, credentials,
                              rendezvous::ChannelUse::kBulk, settings);
    }
    if (reach.wrong_token) {
      worst = absl::PermissionDeniedError(absl::StrCat(
          reach.text, "; this MUSTER_TOKEN is not the collector's"));
    } else if (reach.not_tls) {
      worst = absl::FailedPreconditionError(absl::StrCat(
          reach.text,
          "; with a collector without a token one talks with --insecure"));
    } else if (absl::IsUnavailable(worst)) {
      worst = absl::UnavailableError(
          absl::StrCat(reach.text, "; is the collector running there?"));
    }
  }
  return worst;
}

}  // namespace muster::launcher
