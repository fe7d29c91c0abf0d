// From an endpoint's name to a session: resolve, connect, authenticate,
// register, and again until the deadline.
#ifndef MUSTER_RENDEZVOUS_JOINER_H_
#define MUSTER_RENDEZVOUS_JOINER_H_

#include <functional>
#include <memory>
#include <string>

#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "rendezvous/credentials.h"
#include "rendezvous/exit_codes.h"
#include "rendezvous/reach.h"
#include "rendezvous/session.h"
#include "rendezvous/timing.h"

namespace muster::rendezvous {

struct JoinerOptions {
  std::string host;  // a name or a numeric address
  int port = 0;
  Instant deadline{};
  // This agent tried to bind the endpoint and found the port taken: when the
  // one who has it does not speak muster, waiting is in vain.
  bool port_taken = false;
};

// Why there is no session.
struct JoinFailure {
  CauseKind kind = CAUSE_RENDEZVOUS;
  uint32_t exit_code = kExitRendezvous;  // kExitAuth when the tokens differ
  std::string message;
};

// All are called on the loop, never from inside a call.
struct JoinerCallbacks {
  // Completes the hello for the coordinator's numeric address: which address
  // of this node it will see.
  std::function<Hello(const std::string& reached)> make_hello;
  // What keeps the agent waiting; comes when it changes and every kProgress.
  std::function<void(const std::string&)> on_progress;
  // The coordinator has answered; the rest of the stream is the caller's.
  std::function<void(std::unique_ptr<Session>, CoordinatorMessage first)>
      on_joined;
  std::function<void(JoinFailure)> on_failed;
};

// Job: one join. What may fail only for now (a name that does not resolve
// yet, a coordinator that is not up) is tried again until the deadline; a
// token that differs ends it at once. The failure says for each address how
// far the agent got.
// Life cycle: construct to start; on_joined or on_failed comes once and last.
// Threads: construct and destroy on the loop. Name resolution and connection
// probes block, so they run on threads of their own, which may outlive this.
// Ownership: the loop and the credentials must outlive this.
class Joiner {
 public:
  Joiner(asio::io_context& loop, const Credentials& credentials,
         JoinerOptions options, JoinerCallbacks callbacks);
  ~Joiner();
  Joiner(const Joiner&) = delete;
  Joiner& operator=(const Joiner&) = delete;

 private:
  struct Probe {
    std::string address;  // that accepts connections; "" for none
    std::string text;     // how far the addresses before it got
  };

  void Attempt();
  void Connect(const Probe& probe);
  void Diagnose(const Probe& probe, const std::string& refusal);
  void Judge(const Probe& probe, const std::string& refusal,
             const Reach& reach);
  void Retry(const std::string& why);
  // At most `longest`, and short enough that what it waits for can be told
  // before the deadline.
  Duration Patience(Duration longest) const;
  void GiveUp();
  void Fail(JoinFailure failure);

  asio::io_context& loop_;
  const Credentials& credentials_;
  const JoinerOptions options_;
  const JoinerCallbacks callbacks_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  std::chrono::milliseconds pause_ = kFirstRetry;
  std::string last_why_;
  Instant last_progress_{};
  std::unique_ptr<Session> session_;  // waiting for its first message
  asio::steady_timer timer_;          // for the next step
  asio::steady_timer deadline_;       // for all of it
};

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_JOINER_H_
