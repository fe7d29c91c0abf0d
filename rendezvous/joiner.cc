#include "rendezvous/joiner.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rendezvous/background.h"
#include "rendezvous/token.h"
#include "rendezvous/transport.h"

namespace muster::rendezvous {
namespace {

constexpr std::chrono::seconds kProbeTimeout{3};
constexpr std::chrono::milliseconds kShortestPatience{50};

// Credentials that no coordinator accepts.
Credentials MadeUp() {
  const absl::StatusOr<Token> token = GenerateToken();
  if (!token.ok()) return Credentials::Insecure();
  return Credentials::FromToken(*token, "probe")
      .value_or(Credentials::Insecure());
}

}  // namespace

Joiner::Joiner(asio::io_context& loop, const Credentials& credentials,
               JoinerOptions options, JoinerCallbacks callbacks)
    : loop_(loop),
      credentials_(credentials),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      timer_(loop),
      deadline_(loop) {
  deadline_.expires_at(options_.deadline);
  deadline_.async_wait([this](asio::error_code error) {
    if (!error) GiveUp();
  });
  Attempt();
}

Joiner::~Joiner() { *alive_ = false; }

// Finds an address that accepts connections.
void Joiner::Attempt() {
  InBackground(
      loop_,
      [host = options_.host, port = options_.port,
       patience = Patience(kProbeTimeout)] {
        Probe probe;
        const auto addresses = Resolve(host, port);
        if (!addresses.ok()) {
          probe.text = absl::StrCat("name: ", addresses.status().message());
          return probe;
        }
        std::vector<std::string> refused;
        for (const std::string& address : *addresses) {
          const Reach reach =
              ProbeEndpoint(address, port, Credentials::Insecure(), patience);
          if (reach.stage >= Stage::kConnected) {
            probe.address = address;
            break;
          }
          refused.push_back(reach.text);
        }
        probe.text = absl::StrJoin(refused, "; ");
        return probe;
      },
      [this, alive = alive_](Probe probe) {
        if (!*alive) return;
        if (probe.address.empty()) {
          Retry(probe.text);
        } else {
          Connect(probe);
        }
      });
}

// Opens a session there and waits for the coordinator's first word.
void Joiner::Connect(const Probe& probe) {
  timer_.expires_after(Patience(kHelloAnswer));
  timer_.async_wait([this, probe](asio::error_code error) {
    if (error) return;
    session_.reset();
    Diagnose(probe, "registration: no answer to the hello");
  });
  session_ = std::make_unique<Session>(
      loop_,
      Dial(probe.address, options_.port, credentials_, ChannelUse::kSession),
      callbacks_.make_hello(probe.address),
      Session::Callbacks{
          .on_message =
              [this](CoordinatorMessage first) {
                timer_.cancel();
                deadline_.cancel();
                callbacks_.on_joined(std::move(session_), std::move(first));
              },
          .on_closed =
              [this, probe](const grpc::Status& status) {
                timer_.cancel();
                session_.reset();
                Diagnose(probe, absl::StrCat("registration: ",
                                             status.error_message()));
              }});
}

// There is a listener, but no session came of it: finds out how far one gets.
// An agent without a token tries a made-up one, which shows whether the
// coordinator wants one.
void Joiner::Diagnose(const Probe& probe, const std::string& refusal) {
  InBackground(
      loop_,
      [address = probe.address, port = options_.port,
       credentials = credentials_, patience = Patience(kProbeTimeout)] {
        return ProbeEndpoint(address, port,
                             credentials.secure() ? credentials : MadeUp(),
                             patience);
      },
      [this, alive = alive_, probe, refusal](const Reach& reach) {
        if (*alive) Judge(probe, refusal, reach);
      });
}

void Joiner::Judge(const Probe& probe, const std::string& refusal,
                   const Reach& reach) {
  const std::string where = absl::StrCat(probe.address, ":", options_.port);
  const std::string others =
      probe.text.empty() ? "" : absl::StrCat("; ", probe.text);
  if (reach.wrong_token && credentials_.secure()) {
    Fail({CAUSE_AUTH, kExitAuth, reach.text});
  } else if (reach.wrong_token) {
    Fail({CAUSE_AUTH, kExitAuth,
          absl::StrCat(where,
                       ": TLS: the coordinator wants a token and this "
                       "agent was started with --insecure; set "
                       "MUSTER_TOKEN or --token-file instead")});
  } else if (reach.not_tls && credentials_.secure() && options_.port_taken) {
    Fail({CAUSE_RENDEZVOUS, kExitRendezvous,
          absl::StrCat("the coordinator's port is taken by another program: ",
                       reach.text,
                       "; choose another port with --rdzv-endpoint")});
  } else if (reach.stage >= Stage::kAuthenticated || !credentials_.secure()) {
    Retry(absl::StrCat(where, ": ", refusal, others));
  } else {
    Retry(absl::StrCat(reach.text, others));
  }
}

void Joiner::Retry(const std::string& why) {
  const Instant now = Now().at;
  if (why != last_why_ || now - last_progress_ >= kProgress) {
    last_why_ = why;
    last_progress_ = now;
    callbacks_.on_progress(why);
  }
  timer_.expires_after(pause_);
  pause_ = std::min(2 * pause_, kLastRetry);
  timer_.async_wait([this](asio::error_code error) {
    if (!error) Attempt();
  });
}

Duration Joiner::Patience(Duration longest) const {
  const Duration half = (options_.deadline - Now().at) / 2;
  return std::clamp<Duration>(half, kShortestPatience, longest);
}

void Joiner::GiveUp() {
  Fail({CAUSE_RENDEZVOUS, kExitRendezvous,
        absl::StrCat("no coordinator at ", options_.host, ":", options_.port,
                     " within --rdzv-timeout; the last attempt: ",
                     last_why_.empty() ? "no answer yet" : last_why_)});
}

void Joiner::Fail(JoinFailure failure) {
  *alive_ = false;  // nothing that still runs may be heard
  session_.reset();
  timer_.cancel();
  deadline_.cancel();
  callbacks_.on_failed(std::move(failure));
}

}  // namespace muster::rendezvous
