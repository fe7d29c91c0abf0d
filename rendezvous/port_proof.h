// Whether this node reaches the ports that its workers will be told of.
#ifndef MUSTER_RENDEZVOUS_PORT_PROOF_H_
#define MUSTER_RENDEZVOUS_PORT_PROOF_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "asio/io_context.hpp"
#include "proto/rendezvous.pb.h"
#include "rendezvous/timing.h"

namespace muster::rendezvous {

struct PortProofOptions {
  Duration timeout = kReachPort;  // for each port
  // Connections under way at a time, so that descriptors last.
  size_t at_once = 128;
  // A network that is closed altogether is not tried port by port: after so
  // many failures no more are begun.
  size_t enough_failures = 32;
};

// Job: one TCP connection to each task's port, dropped at once (with a reset,
// so that no TIME_WAIT keeps a port from its worker).
// Life cycle: construct to start; on_done comes once, and never inside the
// constructor. Destroying it ends what is under way; nothing is called then.
// Threads: the loop's only.
// Ownership: the loop must outlive this.
class PortProof {
 public:
  using Done = std::function<void(const Proved&)>;

  PortProof(asio::io_context& loop, const Cluster& cluster, Done on_done,
            PortProofOptions options = {});
  ~PortProof();
  PortProof(const PortProof&) = delete;
  PortProof& operator=(const PortProof&) = delete;

 private:
  struct Attempt;

  void StartMore();
  void Connect(int task);
  // "" for reached.
  void Finish(int task, const std::string& why);

  asio::io_context& loop_;
  const Cluster cluster_;
  const Done on_done_;
  const PortProofOptions options_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  int next_ = 0;
  std::map<int, std::unique_ptr<Attempt>> attempts_;  // by index of the task
  std::map<int, std::string> failures_;               // the same
};

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_PORT_PROOF_H_
