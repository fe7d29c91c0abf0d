// Peers that were turned away before they could say who they are.
#ifndef MUSTER_RENDEZVOUS_REJECTIONS_H_
#define MUSTER_RENDEZVOUS_REJECTIONS_H_

#include <functional>
#include <memory>
#include <string>

namespace muster::rendezvous {

// gRPC tells a server of failed handshakes in its own log and nowhere else.
// This takes that log over, once per process; from then on nothing of gRPC
// goes to stderr. PrepareProcess() and RejectionWatch call it.
void TakeOverGrpcLog();

// Where gRPC's errors go, one line each, that are no matter of a handshake.
// Empty (the default) drops them. The sink is called from gRPC's threads and
// must neither block nor call SetGrpcErrorSink().
void SetGrpcErrorSink(std::function<void(const std::string& line)> sink);

// Job: says why peers of this process's servers failed the TLS handshake, in
// words for people: "a peer whose token differs". Which server and which peer
// it was, gRPC does not tell.
// Life cycle: calls back from construction on; once the destructor returns, no
// call is running and none follows.
// Threads: `callback` is called from gRPC's threads, at times from several; it
// must not block and must neither make nor destroy a watch.
// Ownership: owns the callback. Several watches may live at a time, and each
// is told everything.
class RejectionWatch {
 public:
  using Callback = std::function<void(const std::string& reason)>;

  explicit RejectionWatch(Callback callback);
  RejectionWatch(const RejectionWatch&) = delete;
  RejectionWatch& operator=(const RejectionWatch&) = delete;
  ~RejectionWatch();

 private:
  const std::shared_ptr<const Callback> callback_;
};

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_REJECTIONS_H_
