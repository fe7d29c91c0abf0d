// One agent's membership in a job, at the agent's end.
#ifndef MUSTER_RENDEZVOUS_SESSION_H_
#define MUSTER_RENDEZVOUS_SESSION_H_

#include <functional>
#include <memory>

#include "asio/io_context.hpp"
#include "grpcpp/channel.h"
#include "proto/rendezvous.grpc.pb.h"

namespace muster::rendezvous {

// Job: the stream to the coordinator: says hello, hands over what comes back,
// sends what the agent has to say, in order.
// Life cycle: construct to open; on_closed comes once and is the last call.
// Destroying an open session cuts the stream, and nothing is called any more.
// Threads: construct, use and destroy on the loop; the callbacks come there,
// never from inside a call.
// Ownership: the loop must outlive this; the stream's state outlives it.
class Session {
 public:
  struct Callbacks {
    std::function<void(CoordinatorMessage)> on_message;
    std::function<void(const grpc::Status&)> on_closed;
  };

  Session(asio::io_context& loop, const std::shared_ptr<grpc::Channel>& channel,
          const Hello& hello, Callbacks callbacks);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // From now on, call these. For whoever takes the session over.
  void SetCallbacks(Callbacks callbacks);

  // Does nothing once the stream is closed.
  void Send(AgentMessage message);

  // Hangs up when everything sent before is written; on_closed follows.
  void Leave();

 private:
  class Stream;
  struct Shared;

  std::shared_ptr<Shared> shared_;
};

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_SESSION_H_
