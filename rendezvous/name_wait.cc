#include "rendezvous/name_wait.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rendezvous/background.h"
#include "rendezvous/node_addresses.h"
#include "rendezvous/reach.h"

namespace muster::rendezvous {

NameWait::NameWait(asio::io_context& loop, NameWaitOptions options,
                   NameWaitCallbacks callbacks)
    : loop_(loop),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      timer_(loop),
      deadline_(loop) {
  deadline_.expires_at(options_.deadline);
  deadline_.async_wait([this](asio::error_code error) {
    if (error) return;
    *alive_ = false;
    timer_.cancel();
    callbacks_.on_failed(
        {.message = absl::StrCat(
             options_.nodes > 0 ? absl::StrCat("--host-dns ", options_.host,
                                               ": not all nodes had an address")
                                : "the coordinator's name did not resolve",
             " within --rdzv-timeout; the last attempt: name: ",
             last_why_.empty() ? "no answer yet" : last_why_)});
  });
  Attempt();
}

NameWait::~NameWait() { *alive_ = false; }

void NameWait::Attempt() {
  InBackground(
      loop_,
      [host = options_.host, port = options_.port] {
        return Resolve(host, port);
      },
      [this,
       alive = alive_](absl::StatusOr<std::vector<std::string>> addresses) {
        if (!*alive) return;
        if (addresses.ok() && options_.nodes > 0) {
          addresses = NodeAddresses(*addresses, options_.nodes);
        }
        if (!addresses.ok()) {
          Retry(std::string(addresses.status().message()));
          return;
        }
        deadline_.cancel();
        callbacks_.on_resolved(*std::move(addresses));
      });
}

void NameWait::Retry(const std::string& why) {
  const Instant now = Now().at;
  if (why != last_why_ || now - last_progress_ >= kProgress) {
    last_why_ = why;
    last_progress_ = now;
    callbacks_.on_progress(absl::StrCat("no coordinator yet: name: ", why));
  }
  timer_.expires_after(pause_);
  pause_ = std::min(2 * pause_, kLastRetry);
  timer_.async_wait([this](asio::error_code error) {
    if (!error) Attempt();
  });
}

}  // namespace muster::rendezvous
