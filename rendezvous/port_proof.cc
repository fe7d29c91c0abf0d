#include "rendezvous/port_proof.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "asio/ip/tcp.hpp"
#include "asio/post.hpp"
#include "asio/steady_timer.hpp"

namespace muster::rendezvous {
namespace {

// "connection refused", without a capital, since it ends a sentence.
std::string Reason(const asio::error_code& error) {
  std::string text = error.message();
  if (!text.empty()) text[0] = absl::ascii_tolower(text[0]);
  return text;
}

}  // namespace

struct PortProof::Attempt {
  explicit Attempt(asio::io_context& loop) : socket(loop), deadline(loop) {}

  asio::ip::tcp::socket socket;
  asio::steady_timer deadline;
};

PortProof::PortProof(asio::io_context& loop, const Cluster& cluster,
                     Done on_done, PortProofOptions options)
    : loop_(loop),
      cluster_(cluster),
      on_done_(std::move(on_done)),
      options_(options) {
  asio::post(loop_, [this, alive = alive_] {
    if (*alive) StartMore();
  });
}

PortProof::~PortProof() { *alive_ = false; }

void PortProof::StartMore() {
  while (next_ < cluster_.tasks_size() && attempts_.size() < options_.at_once &&
         failures_.size() < options_.enough_failures) {
    Connect(next_++);
  }
  if (!attempts_.empty()) return;
  Proved proved;
  for (const auto& [task, why] : failures_) {
    Unreachable* unreachable = proved.add_unreachable();
    unreachable->set_task(task);
    unreachable->set_why(why);
  }
  on_done_(proved);
}

void PortProof::Connect(int task) {
  auto attempt = std::make_unique<Attempt>(loop_);
  const Task& to = cluster_.tasks(task);
  asio::error_code error;
  const asio::ip::tcp::endpoint endpoint(
      asio::ip::make_address(to.address(), error),
      static_cast<uint16_t>(to.port()));
  if (error) {
    failures_[task] = "not a numeric address";
    return;
  }
  attempt->deadline.expires_after(options_.timeout);
  attempt->deadline.async_wait([this, alive = alive_,
                                task](const asio::error_code& stopped) {
    if (stopped || !*alive) return;
    Finish(task, absl::StrFormat(
                     "no answer within %g s (a firewall, or a wrong address?)",
                     Seconds(options_.timeout)));
  });
  attempt->socket.async_connect(
      endpoint, [this, alive = alive_, task](const asio::error_code& failed) {
        if (failed == asio::error::operation_aborted || !*alive) return;
        // A reset comes after the handshake: who was reached has dropped us
        // already. A port that is closed refuses instead.
        const bool reached = !failed || failed == asio::error::connection_reset;
        Finish(task, reached ? "" : Reason(failed));
      });
  attempts_[task] = std::move(attempt);
}

void PortProof::Finish(int task, const std::string& why) {
  const auto it = attempts_.find(task);
  if (it == attempts_.end()) return;  // the deadline and the answer met
  asio::error_code ignored;
  it->second->socket.set_option(asio::socket_base::linger(true, 0), ignored);
  it->second->socket.close(ignored);  // asio's destructor does not linger
  attempts_.erase(it);
  if (!why.empty()) failures_[task] = why;
  StartMore();
}

}  // namespace muster::rendezvous
