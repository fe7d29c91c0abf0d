// Waits until a name resolves: records of a job's nodes appear when they do.
#ifndef MUSTER_RENDEZVOUS_NAME_WAIT_H_
#define MUSTER_RENDEZVOUS_NAME_WAIT_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "rendezvous/joiner.h"
#include "rendezvous/timing.h"

namespace muster::rendezvous {

struct NameWaitOptions {
  std::string host;
  int port = 0;
  Instant deadline{};
  // The name stands for this many nodes: wait until all have an address, see
  // NodeAddresses(). 0 for a name of one host, where any address will do.
  uint32_t nodes = 0;
};

// All are called on the loop, never from inside a call.
struct NameWaitCallbacks {
  // What keeps the agent waiting; comes when it changes and every kProgress.
  std::function<void(const std::string&)> on_progress;
  std::function<void(std::vector<std::string>)> on_resolved;
  std::function<void(const JoinFailure&)> on_failed;
};

// Job: resolves a name again and again until it has the addresses that it must
// have or the deadline has come.
// Life cycle: construct to start; on_resolved or on_failed comes once and last.
// Threads: construct and destroy on the loop; the resolver runs on a thread of
// its own, which may outlive this.
// Ownership: the loop must outlive this.
class NameWait {
 public:
  NameWait(asio::io_context& loop, NameWaitOptions options,
           NameWaitCallbacks callbacks);
  ~NameWait();
  NameWait(const NameWait&) = delete;
  NameWait& operator=(const NameWait&) = delete;

 private:
  void Attempt();
  void Retry(const std::string& why);

  asio::io_context& loop_;
  const NameWaitOptions options_;
  const NameWaitCallbacks callbacks_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::chrono::milliseconds pause_ = kFirstRetry;
  std::string last_why_;
  Instant last_progress_{};
  asio::steady_timer timer_;     // for the next attempt
  asio::steady_timer deadline_;  // for all of it
};

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_NAME_WAIT_H_
