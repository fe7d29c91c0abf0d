// Who has fallen silent.
#ifndef MUSTER_RENDEZVOUS_LIVENESS_H_
#define MUSTER_RENDEZVOUS_LIVENESS_H_

#include <cstdint>
#include <map>
#include <vector>

#include "rendezvous/timing.h"

namespace muster::rendezvous {

// A session is one agent's stream, numbered by the coordinator.
using SessionId = uint64_t;

// Pure: remembers when each session was last heard and says which are silent
// for longer than the timeout. All times are the coordinator's.
class Liveness {
 public:
  explicit Liveness(Duration timeout) : timeout_(timeout) {}

  void Heard(SessionId session, Instant now) { heard_[session] = now; }
  void Forget(SessionId session) { heard_.erase(session); }

  // The sessions that are silent too long. Each is returned once and
  // forgotten.
  //
  // When the coordinator itself stood
  // still between two calls (a stopped or starved process), nobody is blamed
  // for its sleep, and every session gets a fresh start.
  std::vector<SessionId> Silent(Instant now);

 private:
  const Duration timeout_;
  Instant polled_{};
  std::map<SessionId, Instant> heard_;
};

}  // namespace muster::rendezvous

#endif  // MUSTER_RENDEZVOUS_LIVENESS_H_
